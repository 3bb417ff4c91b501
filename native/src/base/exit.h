/**
 * @file exit.h
 * @brief Calls registered hooks when a thread ends, and when the process does.
 *
 * Any thread may call. The folders above register, so that nothing here depends on them.
 */
#ifndef ENETJS_EXIT_H
#define ENETJS_EXIT_H

/** What is called at an end. Lives as long as the process does. */
struct enetjs_exit_hook {
  void (*on_thread_exit)(const void *thread); /**< on the thread that ends, named as by enetjs_this_thread */
  void (*on_process_exit)(void);              /**< not in a child that was forked off */
  struct enetjs_exit_hook *next;              /**< the one that was registered before */
};

/** Registers a hook, once. The hook that was registered last is called first, as by atexit. */
void enetjs_exit_register(struct enetjs_exit_hook *hook);

/**
 * Has the hooks called when this thread ends. @returns a name of the thread, or NULL where its end goes
 * unnoticed
 */
const void *enetjs_this_thread(void);

#endif
