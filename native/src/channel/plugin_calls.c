/*
 * The functions that a plugin calls, on its own thread or on others that it has started. Each takes the
 * channel's lock.
 *
 * Invariant: `sender` identifies the one thread that has a reservation in the ring to JavaScript, from
 * reserve to commit or abort. A plugin that breaks this rule, or writes beyond its reservation, ends the
 * channel.
 */
#include <stdio.h>
#include <string.h>

#include "channel/internal.h"

static ENETJS_THREAD_LOCAL char this_thread; /* its address identifies the thread */

static uint64_t deadline_of(int timeout_ms) {
  return timeout_ms < 0 ? UINT64_MAX : enetjs_now_ms() + (uint64_t)timeout_ms;
}

static size_t plugin_capacity(struct enetjs_channel *c) { return c->out.capacity; }

/* With the lock held: reserves where there is room now. Else asks the consumer to wake us when there is. */
static enum enetjs_channel_ring_result try_reserve(struct enetjs_channel *c, uint32_t length,
                                                   uint8_t **data) {
  enum enetjs_channel_ring_result result;
  if (c->sender) return ENETJS_CHANNEL_RING_NONE;
  result = enetjs_channel_ring_reserve(&c->out, length, data);
  if (result != ENETJS_CHANNEL_RING_NONE) return result;
  enetjs_channel_ring_want_room(&c->out);
  return enetjs_channel_ring_reserve(&c->out, length, data);
}

static int reserve_locked(struct enetjs_channel *c, uint32_t length, int timeout_ms, uint8_t **data) {
  uint64_t deadline = deadline_of(timeout_ms);
  if (c->sender == &this_thread)
    return enetjs_channel_fail(c, ENETJS_ERR_FAULT, "a second reserve before commit or abort");
  for (;;) {
    if (c->closing) return ENETJS_PLUGIN_CLOSED;
    switch (try_reserve(c, length, data)) {
      case ENETJS_CHANNEL_RING_BROKEN:
        return enetjs_channel_fail(c, ENETJS_ERR_FAULT, "the positions of the ring to JavaScript are wrong");
      case ENETJS_CHANNEL_RING_OK:
        c->sender = &this_thread;
        c->reserved = length;
        return ENETJS_PLUGIN_OK;
      case ENETJS_CHANNEL_RING_NONE: break;
    }
    if (enetjs_now_ms() >= deadline) return ENETJS_PLUGIN_TIMEOUT;
    c->waiting_senders++;
    enetjs_cond_wait(&c->changed, &c->lock, deadline);
    c->waiting_senders--;
  }
}

static int plugin_reserve(struct enetjs_channel *c, size_t length, int timeout_ms, uint8_t **data) {
  int result;
  if (length > c->out.capacity) return ENETJS_PLUGIN_TOO_LARGE;
  enetjs_mutex_lock(&c->lock);
  result = reserve_locked(c, (uint32_t)length, timeout_ms, data);
  enetjs_mutex_unlock(&c->lock);
  return result;
}

static void end_reservation(struct enetjs_channel *c) {
  c->sender = NULL;
  if (c->waiting_senders) enetjs_cond_broadcast(&c->changed);
}

static int commit_locked(struct enetjs_channel *c, int64_t length) {
  char reason[128];
  if (c->sender != &this_thread)
    return enetjs_channel_fail(c, ENETJS_ERR_FAULT, "a commit without a reservation of this thread");
  end_reservation(c);
  if (c->closing) return ENETJS_PLUGIN_CLOSED;
  if (length < 0 || length > (int64_t)c->reserved) {
    snprintf(reason, sizeof(reason), "a commit of %lld bytes where %u were reserved", (long long)length,
             (unsigned)c->reserved);
    return enetjs_channel_fail(c, ENETJS_ERR_FAULT, reason);
  }
  if (!enetjs_channel_guards_intact(c))
    return enetjs_channel_fail(c, ENETJS_ERR_FAULT, "a write beyond the memory of a reservation");
  if (enetjs_channel_ring_commit(&c->out, (uint32_t)length)) enetjs_poke(c->wake.own);
  return ENETJS_PLUGIN_OK;
}

static int plugin_commit(struct enetjs_channel *c, int64_t length) {
  int result;
  enetjs_mutex_lock(&c->lock);
  result = commit_locked(c, length);
  enetjs_mutex_unlock(&c->lock);
  return result;
}

static int plugin_abort(struct enetjs_channel *c) {
  int result = ENETJS_PLUGIN_OK;
  enetjs_mutex_lock(&c->lock);
  if (c->sender == &this_thread)
    end_reservation(c);
  else
    result = enetjs_channel_fail(c, ENETJS_ERR_FAULT, "an abort without a reservation of this thread");
  enetjs_mutex_unlock(&c->lock);
  return result;
}

static int plugin_send(struct enetjs_channel *c, const void *data, size_t length, int timeout_ms) {
  uint8_t *place;
  int result = plugin_reserve(c, length, timeout_ms, &place);
  if (result != ENETJS_PLUGIN_OK) return result;
  if (length > 0) memcpy(place, data, length);
  return plugin_commit(c, (int64_t)length);
}

static void plugin_explain(struct enetjs_channel *c, const char *text) {
  enetjs_mutex_lock(&c->lock);
  if (c->state == ENETJS_CHANNEL_STATE_LOADING) snprintf(c->reason, sizeof(c->reason), "%s", text);
  enetjs_mutex_unlock(&c->lock);
}

const struct enetjs_plugin_library enetjs_channel_plugin_library = {
    ENETJS_PLUGIN_ABI_VERSION,
    plugin_capacity,
    plugin_reserve,
    plugin_commit,
    plugin_abort,
    plugin_send,
    plugin_explain,
};

void enetjs_channel_check_returned(struct enetjs_channel *c, const char *function) {
  char reason[64];
  if (c->sender != &this_thread) return;
  enetjs_mutex_lock(&c->lock);
  snprintf(reason, sizeof(reason), "a reservation kept when %s returned", function);
  end_reservation(c);
  enetjs_channel_fail(c, ENETJS_ERR_FAULT, reason);
  enetjs_mutex_unlock(&c->lock);
}
