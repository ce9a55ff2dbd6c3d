import { handlerFor } from './runtime.ts';

export const handler = handlerFor('health');
