/**
 * @file internal.h
 * @brief A channel as its files share it: channel.c is JavaScript's side, plugin_thread.c runs the plugin,
 * and plugin_calls.c is what the plugin may call.
 *
 * Invariant: control blocks are never freed, only used again under a new generation, so a stale handle can
 * always be checked. The lock guards everything in a block, except the ring from JavaScript, which belongs to
 * the plugin's thread.
 */
#ifndef ENETJS_CHANNEL_INTERNAL_H
#define ENETJS_CHANNEL_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/threads.h"
#include "base/wake.h"
#include "channel/plugin.h"
#include "channel/ring.h"
#include "enetjs.h"

#define ENETJS_CHANNEL_REASON_BYTES 512

struct enetjs_channel {
  enetjs_mutex lock;
  enetjs_cond changed;
  uint32_t index, generation; /* of the handle */

  /* From here on everything is zero while the block is free. */
  bool open;
  bool running;        /* its thread */
  atomic_bool closing; /* the thread is to end */
  bool released;       /* JavaScript has closed the channel */
  bool keep_memory;
  bool notified; /* JavaScript has written, or made room */
  int state;     /* ENETJS_CHANNEL_STATE_…, or the error code that ended the channel */
  char reason[ENETJS_CHANNEL_REASON_BYTES];
  const void *owner; /* identifies JavaScript's thread, or NULL */
  struct enetjs_wake wake;

  char *path;
  uint8_t *configuration;
  size_t configuration_bytes;
  uint32_t update_interval_ms;
  uint64_t update_at; /* UINT64_MAX for never */
  struct enetjs_channel_plugin plugin;
  char plugin_texts[2][ENETJS_CHANNEL_PLUGIN_TEXT]; /* its name and version */
  void *plugin_state;

  uint8_t *allocation, *memory; /* the latter aligned */
  size_t memory_bytes;
  struct enetjs_channel_ring in, out; /* as the plugin sees it */
  _Atomic(const char *) sender;       /* the thread that has a reservation, or NULL */
  uint32_t reserved;                  /* its bytes */
  unsigned waiting_senders;
};

/* ---- memory.c -------------------------------------------------------------------------------- */
/** Allocates the rings, with the lock held. @returns false when there is no memory */
bool enetjs_channel_allocate(struct enetjs_channel *c, uint32_t send, uint32_t receive);
/**
 * Whether the guards are intact: nothing was written before the plugin's ring, behind it, or behind the other
 * ring.
 */
bool enetjs_channel_guards_intact(const struct enetjs_channel *c);

/* ---- channel.c ------------------------------------------------------------------------------- */
/** Has the thread end. With the lock held. */
void enetjs_channel_begin_closing(struct enetjs_channel *c);
/**
 * Ends the channel for a reason, of which the first one counts. With the lock held. @returns
 * ENETJS_PLUGIN_FAULT
 */
int enetjs_channel_fail(struct enetjs_channel *c, int code, const char *reason);
/** Frees what a channel has, and its block. With the lock held. */
void enetjs_channel_destroy(struct enetjs_channel *c);

/* ---- plugin_calls.c -------------------------------------------------------------------------- */
extern const struct enetjs_plugin_library enetjs_channel_plugin_library;
/** A function of the plugin has returned: ends the channel where the plugin has kept a reservation. */
void enetjs_channel_check_returned(struct enetjs_channel *c, const char *function);

/* ---- plugin_thread.c ------------------------------------------------------------------------- */
/** The thread of a channel. @param argument the channel */
void enetjs_channel_main(void *argument);

#endif
