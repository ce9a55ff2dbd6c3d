/**
 * Partition Keeper as a library: the jobs the command line runs, and the pure parts they are made of.
 */
export { type Config, defineConfig, parseConfig } from './config/config.ts';
export { loadConfig } from './config/load.ts';
export * from './contract.ts';
export { type ConvertJobOptions, runConvert } from './convert/convert.ts';
export { STRATEGIES, type Strategy } from './convert/marker.ts';
export { STAGES, type Stage } from './convert/unit.ts';
export { type DoctorJobOptions, runDoctor } from './doctor/doctor.ts';
export { KeeperError } from './errors.ts';
export { type ExplainOptions, runExplain } from './jobs/explain.ts';
export { type ExplainTopOptions, runExplainTop } from './jobs/explain-top.ts';
export { runCleanup, runCreate, runHealth, runPlan, runStatus, runValidate } from './jobs/jobs.ts';
export type {
  BeginEvent,
  CleanupJobOptions,
  CreateJobOptions,
  InspectJobOptions,
  JobOptions,
  ProgressEvent,
  StepEvent,
  WaitEvent,
} from './jobs/options.ts';
export type { TableConfig } from './partition/table-config.ts';
export { type ConnectionSettings, connectionSettings } from './postgres/connection-options.ts';
export { type ReindexJobOptions, runReindex } from './reindex/reindex.ts';
export { installScript, type SqlScriptOptions, uninstallScript } from './sql/script.ts';
