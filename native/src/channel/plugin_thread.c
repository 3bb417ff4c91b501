/*
 * The thread of a channel: it loads the plugin, hands it the messages of JavaScript, calls its update
 * function on time, and shuts it down. The thread is detached and ends by itself.
 *
 * Invariant: the plugin is called without the lock held, so no other thread waits for a slow plugin. Only the
 * exit of the process waits, for a limited time (channel.c).
 */
#include <stdio.h>

#include "channel/channel.h"
#include "channel/internal.h"

static int initialize(struct enetjs_channel *c) {
  char refusal[ENETJS_CHANNEL_REASON_BYTES];
  int result = c->plugin.functions->initialize(&enetjs_channel_plugin_library, c, c->configuration,
                                               c->configuration_bytes, &c->plugin_state);
  if (result == 0) {
    enetjs_channel_check_returned(c, "initialize");
    return 0;
  }
  enetjs_mutex_lock(&c->lock);
  c->sender = NULL;
  snprintf(refusal, sizeof(refusal), "initialize returned %d%s%.400s", result, c->reason[0] ? ": " : "",
           c->reason);
  enetjs_channel_fail(c, ENETJS_ERR_PLUGIN_INITIALIZE, refusal);
  enetjs_mutex_unlock(&c->lock);
  enetjs_channel_plugin_unload(&c->plugin);
  return ENETJS_ERR_PLUGIN_INITIALIZE;
}

static int load(struct enetjs_channel *c) {
  char reason[ENETJS_CHANNEL_REASON_BYTES] = "";
  int result = enetjs_channel_plugin_load(&c->plugin, c->path, reason, sizeof(reason));
  if (result == 0) {
    enetjs_mutex_lock(&c->lock);
    for (int i = 0; i < 2; i++) enetjs_channel_plugin_text(&c->plugin, i, c->plugin_texts[i]);
    enetjs_mutex_unlock(&c->lock);
    return initialize(c);
  }
  enetjs_mutex_lock(&c->lock);
  enetjs_channel_fail(c, result, reason);
  enetjs_mutex_unlock(&c->lock);
  return result;
}

static void update_if_due(struct enetjs_channel *c) {
  uint64_t now;
  if (c->update_at == UINT64_MAX) return;
  now = enetjs_now_ms();
  if (now < c->update_at) return;
  c->plugin.functions->update(c->plugin_state);
  enetjs_channel_check_returned(c, "update");
  c->update_at += c->update_interval_ms;
  now = enetjs_now_ms();
  if (c->update_at < now) c->update_at = now; /* late calls are not made up for */
}

/* @returns whether there was a message */
static bool process_one(struct enetjs_channel *c) {
  uint8_t *data;
  uint32_t length;
  bool wake = false;
  switch (enetjs_channel_ring_peek(&c->in, &data, &length, &wake)) {
    case ENETJS_CHANNEL_RING_BROKEN:
      enetjs_mutex_lock(&c->lock);
      enetjs_channel_fail(c, ENETJS_ERR_FAULT, "the ring from JavaScript is damaged");
      enetjs_mutex_unlock(&c->lock);
      return false;
    case ENETJS_CHANNEL_RING_OK:
      if (wake) enetjs_poke(c->wake.own);
      c->plugin.functions->process_message(c->plugin_state, data, length);
      enetjs_channel_check_returned(c, "process_message");
      if (enetjs_channel_ring_release(&c->in, length)) enetjs_poke(c->wake.own);
      return true;
    case ENETJS_CHANNEL_RING_NONE: break;
  }
  if (wake) enetjs_poke(c->wake.own);
  return false;
}

static void sleep_until_notified(struct enetjs_channel *c) {
  enetjs_mutex_lock(&c->lock);
  if (!c->notified && !c->closing) enetjs_cond_wait(&c->changed, &c->lock, c->update_at);
  c->notified = false;
  enetjs_mutex_unlock(&c->lock);
}

static void serve(struct enetjs_channel *c) {
  const struct enetjs_plugin *functions = c->plugin.functions;
  if (!c->update_interval_ms) c->update_interval_ms = functions->update_interval_ms;
  c->update_at =
      functions->update && c->update_interval_ms ? enetjs_now_ms() + c->update_interval_ms : UINT64_MAX;
  while (!c->closing) {
    update_if_due(c);
    if (process_one(c)) continue;
    enetjs_channel_ring_want_message(&c->in, true);
    if (!process_one(c)) sleep_until_notified(c);
    enetjs_channel_ring_want_message(&c->in, false);
  }
  if (functions->shutdown) functions->shutdown(c->plugin_state);
  enetjs_channel_plugin_unload(&c->plugin);
}

/* The end of the thread. JavaScript learns of it. If JavaScript has let go, the channel is freed. */
static void finish(struct enetjs_channel *c) {
  enetjs_mutex_lock(&c->lock);
  c->running = false;
  enetjs_cond_broadcast(&c->changed);
  enetjs_poke(c->wake.own);
  enetjs_fd_close(c->wake.own);
  if (c->released) enetjs_channel_destroy(c);
  atomic_fetch_sub(&enetjs_live_plugins, 1);
  enetjs_mutex_unlock(&c->lock);
}

void enetjs_channel_main(void *argument) {
  struct enetjs_channel *c = argument;
  if (load(c) == 0) {
    enetjs_mutex_lock(&c->lock);
    if (c->state == ENETJS_CHANNEL_STATE_LOADING) c->state = ENETJS_CHANNEL_STATE_RUNNING;
    enetjs_poke(c->wake.own);
    enetjs_mutex_unlock(&c->lock);
    serve(c);
  }
  finish(c);
}
