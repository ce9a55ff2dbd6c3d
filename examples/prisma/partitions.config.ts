import { defineConfig } from 'partition-keeper';

export default defineConfig({
  timeZone: 'UTC',
  tables: [
    {
      schema: 'platform',
      table: 'audit_logs',
      partitionKey: 'created_at',
      interval: 'month',
      premake: 3,
      retention: { years: 7 },
    },
    {
      schema: 'platform',
      table: 'activity_logs',
      partitionKey: 'created_at',
      interval: 'month',
      premake: 3,
      retention: { years: 2 },
    },
    {
      schema: 'compliance',
      table: 'data_access_log',
      partitionKey: 'accessed_at',
      interval: 'month',
      premake: 3,
      retention: { years: 7 },
    },
    {
      schema: 'auth',
      table: 'user_sessions',
      partitionKey: 'created_at',
      interval: 'month',
      premake: 3,
      retention: { days: 90 },
    },
    {
      schema: 'files',
      table: 'file_uploads',
      partitionKey: 'created_at',
      interval: 'quarter',
      premake: 2,
      retention: { years: 5 },
    },
    {
      schema: 'communication',
      table: 'notifications',
      partitionKey: 'created_at',
      interval: 'month',
      premake: 3,
      retention: { years: 1 },
    },
  ],
});
