/*
 * Work in the background: one thread, which is started for the first job and ends with the last one.
 *
 * Invariant: while jobs wait, `running` is true and the thread will take them. The lock is a leaf. The end of
 * the process waits for no job, so a job may only use memory that nobody else uses any more.
 */
#include "base/background.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"
#include "base/threads.h"

static struct {
  enetjs_mutex lock;
  struct enetjs_job *first, *last;
  bool running;
} jobs = {.lock = ENETJS_MUTEX_INIT};

/* @returns the next job, or NULL when the thread has to end */
static struct enetjs_job *take(void) {
  struct enetjs_job *job;
  enetjs_mutex_lock(&jobs.lock);
  job = jobs.first;
  if (job)
    jobs.first = job->next;
  else
    jobs.running = false;
  enetjs_mutex_unlock(&jobs.lock);
  return job;
}

static void run_all(void *argument) {
  struct enetjs_job *job;
  (void)argument;
  while ((job = take()) != NULL) {
    job->run(job);
    enetjs_pool_trim(); /* perhaps no host is left to do it */
  }
}

void enetjs_background_run(struct enetjs_job *job) {
  enetjs_thread thread;
  bool start;
  enetjs_mutex_lock(&jobs.lock);
  job->next = NULL;
  if (jobs.first)
    jobs.last->next = job;
  else
    jobs.first = job;
  jobs.last = job;
  start = !jobs.running;
  jobs.running = true;
  enetjs_mutex_unlock(&jobs.lock);
  if (!start) return;
  if (enetjs_thread_start(&thread, run_all, NULL))
    enetjs_thread_detach(thread);
  else
    run_all(NULL);
}

/* ---- Trimming -------------------------------------------------------------------------------- */

static atomic_bool trims;

static void trim(struct enetjs_job *job) {
  (void)job;
  atomic_store(&trims, false); /* run_all trims behind every job */
}

void enetjs_background_trim(void) {
  static struct enetjs_job job = {.run = trim};
  if (!enetjs_pool_trim_due() || atomic_exchange(&trims, true)) return;
  enetjs_background_run(&job);
}
