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

/** What is examined, in the order in which it is told: the connection, the server, what is in the way, the tables. */
const CHECKED: readonly ((facts: DoctorFacts) => readonly Check[])[] = [
  versionCheck,
  bugsCheck,
  writableCheck,
  poolerCheck,
  tlsCheck,
  clockCheck,
  timeZoneChecks,
  visibilityCheck,
  transactionsCheck,
  preparedCheck,
  slotsCheck,
  settingsCheck,
  lockTableCheck,
  othersCheck,
  eventTriggersCheck,
  tableChecks,
  privilegeChecks,
  autovacuumCheck,
  statisticsCheck,
  growthChecks,
];

/** Every check, with what it found or that all is well. */
export const examine = (facts: DoctorFacts): Check[] => CHECKED.flatMap((check) => check(facts));
