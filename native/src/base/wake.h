/**
 * @file wake.h
 * @brief What a thread of ours wakes JavaScript with: one byte on a stream socket.
 *
 * Either both ends are made here, and JavaScript takes over the descriptor of the consumer's end. Or
 * JavaScript listens on the loopback interface, and our end connects to it: for systems and runtimes where no
 * descriptor can be handed over. JavaScript never writes to its end. So when ours can be read, the other one
 * is closed.
 */
#ifndef ENETJS_WAKE_H
#define ENETJS_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"

struct enetjs_wake {
  enetjs_fd own;
  enetjs_fd consumer; /**< belongs to JavaScript; ENETJS_FD_NONE where JavaScript has made its end itself */
  struct enetjs_fd_identity identity; /**< of `consumer` */
};

/** Where JavaScript listens, as it says. */
struct enetjs_wake_place {
  double port; /**< on 127.0.0.1; 0 where it does not listen */
  const uint8_t *secret; /**< by which JavaScript knows our end from a stranger's */
  double secret_bytes;
};

/** Opens both ends, or connects ours, which may take two seconds. @returns 0 or an error code */
int enetjs_wake_open(struct enetjs_wake *wake, struct enetjs_wake_place place);

/** What JavaScript is given: the consumer's descriptor, or 0 where it has made its end itself. */
double enetjs_wake_descriptor(const struct enetjs_wake *wake);

/** Closes both ends. For a wake-up that JavaScript has not been given. */
void enetjs_wake_cancel(const struct enetjs_wake *wake);

/**
 * Closes the consumer's end, unless the runtime has closed it. At the exit of the thread of that runtime.
 * @param is_open whether our end is open
 */
void enetjs_wake_forget(const struct enetjs_wake *wake, bool is_open);

#endif
