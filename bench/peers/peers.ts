import { document } from './document.ts';
import { naive } from './naive.ts';
import { ours } from './ours.ts';
import type { PeerSource } from './peer.ts';
import { pgPartman } from './pg-partman.ts';
import { pgPartsmith } from './pg-partsmith.ts';
import { ppm } from './ppm.ts';

export const PEERS: readonly PeerSource[] = [ours, naive, document, pgPartman, ppm, pgPartsmith];
