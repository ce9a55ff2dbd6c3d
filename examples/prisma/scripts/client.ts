import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../generated/client.ts';
import { databaseUrl } from './surroundings.ts';

/** The client, for the database of DATABASE_URL. */
export const connect = (): PrismaClient =>
  new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl() }) });
