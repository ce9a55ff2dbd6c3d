import { cli } from './cli.ts';
import type { Bench } from './frame/model.ts';
import { stall } from './stall.ts';

export const BENCHES: readonly Bench[] = [stall, cli];
