/**
 * Ends with status 0 if a Docker daemon answers at any of the places Testcontainers knows (DOCKER_HOST, sockets, its
 * own settings), else with another. A program of its own, as a daemon that accepts the connection but does not
 * answer cannot be turned away from otherwise: the attempt has no time limit and keeps its process running.
 */
import { getContainerRuntimeClient } from 'testcontainers';

try {
  await getContainerRuntimeClient();
  process.exit(0);
} catch {
  process.exit(1);
}
