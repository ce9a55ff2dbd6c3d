import { cli } from './cli.ts';
import { conversion } from './conversion.ts';
import type { Bench } from './frame/model.ts';
import { lambda } from './lambda.ts';
import { scale } from './scale.ts';
import { stall } from './stall.ts';
import { strategy } from './strategy.ts';

export const BENCHES: readonly Bench[] = [stall, scale, strategy, conversion, lambda, cli];
