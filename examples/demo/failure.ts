/** Something did not go as the demo promises. */
export class DemoFailure extends Error {}
