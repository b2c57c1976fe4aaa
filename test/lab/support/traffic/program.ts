/** Serves the questions of the lab over the IPC channel; ends with the lab. */
export function serveQuestions(answers: Record<string, (argument: never) => unknown>): void {
  process.on("message", async ({ id, ask, argument }: { id: number; ask: string; argument: unknown }) => {
    try {
      process.send!({ id, answer: await answers[ask]!(argument as never) });
    } catch (error) {
      process.send!({ id, error: String(error) });
    }
  });
  process.on("disconnect", () => process.exit(0));
  process.send!({ ready: true });
}
