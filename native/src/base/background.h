/**
 * @file background.h
 * @brief Work that nobody waits for, on a thread of its own. Any thread may call.
 */
#ifndef ENETJS_BACKGROUND_H
#define ENETJS_BACKGROUND_H

/** Part of what the work is about; the work itself frees it. */
struct enetjs_job {
  void (*run)(struct enetjs_job *job);
  struct enetjs_job *next;
};

/**
 * Runs a job on another thread, behind those that were handed over before. Where the system gives no thread,
 * the job has run when the call returns.
 */
void enetjs_background_run(struct enetjs_job *job);

/** Trims the pool on that thread (base/pool.h), if it is time. */
void enetjs_background_trim(void);

#endif
