import type { Check } from '../contract.ts';
import { othersCheck } from './checks/others.ts';
import {
  bugsCheck,
  clockCheck,
  eventTriggersCheck,
  settingsCheck,
  versionCheck,
  writableCheck,
} from './checks/server.ts';
import { poolerCheck, tlsCheck, visibilityCheck } from './checks/session.ts';
import { sqlFunctionsCheck } from './checks/sql-functions.ts';
import {
  autovacuumCheck,
  growthChecks,
  privilegeChecks,
  statisticsCheck,
  tableChecks,
} from './checks/tables.ts';
import { timeZoneChecks } from './checks/time-zone.ts';
import { lockTableCheck, preparedCheck, slotsCheck, transactionsCheck } from './checks/waiting.ts';
import type { DoctorFacts } from './facts.ts';

/** What is examined, in the order in which it is told: the connection, the server, what is in the way. */
const SURROUNDINGS: readonly ((facts: DoctorFacts) => readonly Check[])[] = [
  versionCheck,
  bugsCheck,
  writableCheck,
  poolerCheck,
  tlsCheck,
  clockCheck,
  visibilityCheck,
  transactionsCheck,
  preparedCheck,
  slotsCheck,
  settingsCheck,
  eventTriggersCheck,
];

/** What takes tables. */
const OF_TABLES: typeof SURROUNDINGS = [
  timeZoneChecks,
  lockTableCheck,
  othersCheck,
  sqlFunctionsCheck,
  tableChecks,
  privilegeChecks,
  autovacuumCheck,
  statisticsCheck,
  growthChecks,
];

/** Every check, with what it found or that all is well. */
export const examine = (facts: DoctorFacts): Check[] =>
  [...SURROUNDINGS, ...(facts.tables.length + facts.unmanageable.length > 0 ? OF_TABLES : [])].flatMap(
    (check) => check(facts),
  );
