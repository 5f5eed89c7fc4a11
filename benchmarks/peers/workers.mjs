// One process or several: with several, Node's cluster module shares the port.
import cluster from "node:cluster";

export function serve(start) {
  const workers = Number(process.env.BENCH_WORKERS);
  if (workers === 1 || cluster.isWorker) {
    start(Number(process.env.BENCH_PORT));
    return;
  }
  for (let each = 0; each < workers; each += 1) {
    cluster.fork();
  }
}

export const pool = {
  connectionString: process.env.DATABASE_URL,
  max: Number(process.env.BENCH_POOL),
  application_name: "benchmark",
};
