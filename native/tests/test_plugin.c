/*
 * The plugin of the tests. The first word of its configuration chooses what it does:
 *
 *   echo            sends back what it gets
 *   sequence SEED   the same, if it is the next of a sequence; else it says "wrong"
 *   source SEED N   sends N messages of a sequence from a thread of its own, and checks what it gets
 *   threads N       four threads send N messages each: thread, number
 *   stall           its process_message waits until an instance with `release` gets a message; echoes
 *   release         lets all that stall go on
 *   update          sends a message from each update
 *   refuse          fails to initialize
 *   fault           breaks the rule that the first letter of a message names
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "enetjs_plugin.h"
#include "sequence.h"
#include "base/threads.h"

#define SENDERS 4

struct instance;

struct sender {
  struct instance *instance;
  enetjs_thread thread;
  bool started;
  uint32_t number;
};

struct instance {
  const struct enetjs_plugin_library *library;
  enetjs_plugin_channel *channel;
  char mode[32];
  struct sequence expected, produced;
  unsigned count;
  uint32_t updates;
  struct sender senders[SENDERS];
};

static enetjs_mutex stall_lock = ENETJS_MUTEX_INIT;
static enetjs_cond stall_changed;
static unsigned stalls_released;
static enetjs_once stall_once = ENETJS_ONCE_INIT;

static void initialize_stall(void) { enetjs_cond_init(&stall_changed); }

static bool is_mode(const struct instance *p, const char *mode) { return strcmp(p->mode, mode) == 0; }

static void say(struct instance *p, const char *text) {
  p->library->send(p->channel, text, strlen(text), -1);
}

/* ---- Threads of its own ---------------------------------------------------------------------- */

static void send_sequence(struct instance *p) {
  for (unsigned i = 0; i < p->count; i++) {
    uint32_t length = sequence_length(&p->produced);
    uint8_t *data;
    if (p->library->reserve(p->channel, length, -1, &data) != ENETJS_PLUGIN_OK) return;
    sequence_fill(i, data, length);
    if (p->library->commit(p->channel, length) != ENETJS_PLUGIN_OK) return;
  }
}

static void send_numbers(struct sender *sender) {
  struct instance *p = sender->instance;
  for (uint32_t i = 0; i < p->count; i++) {
    uint32_t message[2] = {sender->number, i};
    if (p->library->send(p->channel, message, sizeof(message), -1) != ENETJS_PLUGIN_OK) return;
  }
}

static void sender_main(void *argument) {
  struct sender *sender = argument;
  if (is_mode(sender->instance, "source"))
    send_sequence(sender->instance);
  else
    send_numbers(sender);
}

static void start_senders(struct instance *p, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    struct sender *sender = &p->senders[i];
    sender->instance = p;
    sender->number = i;
    sender->started = enetjs_thread_start(&sender->thread, sender_main, sender);
  }
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static void break_rule(struct instance *p, char rule) {
  const struct enetjs_plugin_library *library = p->library;
  size_t capacity = library->capacity(p->channel);
  uint8_t *data;
  if (rule == 'c') { /* without a reservation */
    library->commit(p->channel, 0);
    return;
  }
  if (rule == 'a') {
    library->abort(p->channel);
    return;
  }
  if (library->reserve(p->channel, rule == 'w' ? capacity : 8, -1, &data) != ENETJS_PLUGIN_OK) return;
  switch (rule) {
    case 'o': library->commit(p->channel, 9); break;
    case 'n': library->commit(p->channel, -1); break;
    case 'l': library->commit(p->channel, INT64_MAX); break;
    case 'A':
      library->abort(p->channel);
      library->commit(p->channel, 8);
      break;
    case 'r': library->reserve(p->channel, 8, -1, &data); break;
    case 'k': break; /* keeps it */
    case 'w':
      memset(data, 1, (capacity + 8 + 63) / 64 * 64 - 8 + 32); /* half of the guard behind the ring */
      library->commit(p->channel, (int64_t)capacity);
      break;
    default: library->commit(p->channel, 8);
  }
}

/* ---- The plugin ------------------------------------------------------------------------------ */

static int initialize(const struct enetjs_plugin_library *library, enetjs_plugin_channel *channel,
                      const uint8_t *configuration, size_t length, void **state) {
  char text[64] = "";
  unsigned seed = 0, count = 0;
  struct instance *p = calloc(1, sizeof(*p));
  if (!p) return 1;
  enetjs_once_run(&stall_once, initialize_stall);
  memcpy(text, configuration, length < sizeof(text) ? length : sizeof(text) - 1);
  p->library = library;
  p->channel = channel;
  sscanf(text, "%31s %u %u", p->mode, &seed, &count);
  if (is_mode(p, "refuse")) {
    library->explain(channel, "this plugin always refuses");
    free(p);
    return 42;
  }
  p->expected.state = p->produced.state = seed;
  p->expected.capacity = p->produced.capacity = (uint32_t)library->capacity(channel);
  p->count = is_mode(p, "threads") ? seed : count;
  if (is_mode(p, "source")) start_senders(p, 1);
  if (is_mode(p, "threads")) start_senders(p, SENDERS);
  *state = p;
  return 0;
}

static void shutdown(void *state) {
  struct instance *p = state;
  for (unsigned i = 0; i < SENDERS; i++)
    if (p->senders[i].started) enetjs_thread_join(p->senders[i].thread);
  free(p);
}

static void stall(void) {
  enetjs_mutex_lock(&stall_lock);
  for (unsigned seen = stalls_released; seen == stalls_released;)
    enetjs_cond_wait(&stall_changed, &stall_lock, UINT64_MAX);
  enetjs_mutex_unlock(&stall_lock);
}

static void release_stalls(void) {
  enetjs_mutex_lock(&stall_lock);
  stalls_released++;
  enetjs_cond_broadcast(&stall_changed);
  enetjs_mutex_unlock(&stall_lock);
}

static void echo(struct instance *p, const uint8_t *data, size_t length) {
  uint8_t *copy;
  if (p->library->reserve(p->channel, length, -1, &copy) != ENETJS_PLUGIN_OK) return;
  memcpy(copy, data, length);
  p->library->commit(p->channel, (int64_t)length);
}

static void process_message(void *state, const uint8_t *data, size_t length) {
  struct instance *p = state;
  if (is_mode(p, "fault")) {
    break_rule(p, (char)data[0]);
    return;
  }
  if (is_mode(p, "release")) release_stalls();
  if (is_mode(p, "stall") && length > 0 && data[0] == '!') stall();
  if (is_mode(p, "source")) {
    if (!sequence_check(&p->expected, data, length)) say(p, "wrong");
    return;
  }
  if (is_mode(p, "sequence") && !sequence_check(&p->expected, data, length)) {
    say(p, "wrong");
    return;
  }
  echo(p, data, length);
}

static void update(void *state) {
  struct instance *p = state;
  p->updates++;
  if (is_mode(p, "update")) p->library->send(p->channel, &p->updates, sizeof(p->updates), 0);
}

static const struct enetjs_plugin plugin = {
    .abi_version = ENETJS_PLUGIN_ABI_VERSION,
    .update_interval_ms = 1,
    .initialize = initialize,
    .shutdown = shutdown,
    .process_message = process_message,
    .update = update,
    .name = "test plugin",
    .version = "1.2.3",
};

const struct enetjs_plugin *enetjs_plugin_interface(void) { return &plugin; }
