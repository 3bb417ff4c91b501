/* A channel's ring with a thread at each end, and channels to plugins as JavaScript uses them. */
#include <stdlib.h>
#include <string.h>
#if defined(__SANITIZE_THREAD__)
#include <dlfcn.h>
#endif

#include "base/net.h"
#include "base/threads.h"
#include "channel/channel.h"
#include "channel/ring.h"
#include "enetjs.h"
#include "../harness.h"
#include "../sequence.h"

#define DEADLINE_MS 60000
#define GUARD_BYTES 64

/* ---- A ring between two threads -------------------------------------------------------------- */

/* What one end sleeps on, and the other wakes. */
struct sleeper {
  enetjs_mutex lock;
  enetjs_cond changed;
  bool woken;
};

struct rings {
  _Atomic uint32_t words[ENETJS_CHANNEL_DIRECTION_BYTES / 4];
  uint8_t *block; /* guard, ring, guard */
  struct enetjs_channel_ring in, out;
  struct sleeper producer, consumer;
  struct sequence sent, expected;
  uint32_t count;
  atomic_uint failures;
};

static void sleeper_init(struct sleeper *s) {
  enetjs_mutex_init(&s->lock);
  enetjs_cond_init(&s->changed);
}

static void wake(struct sleeper *s) {
  enetjs_mutex_lock(&s->lock);
  s->woken = true;
  enetjs_cond_broadcast(&s->changed);
  enetjs_mutex_unlock(&s->lock);
}

/* @returns false when nobody wakes it: a lost wake-up */
static bool sleep_until_woken(struct sleeper *s) {
  uint64_t deadline = enetjs_now_ms() + DEADLINE_MS;
  bool woken;
  enetjs_mutex_lock(&s->lock);
  while (!s->woken && enetjs_now_ms() < deadline) enetjs_cond_wait(&s->changed, &s->lock, deadline);
  woken = s->woken;
  s->woken = false;
  enetjs_mutex_unlock(&s->lock);
  return woken;
}

static void rings_open(struct rings *r, uint32_t capacity) {
  uint32_t bytes = enetjs_channel_ring_bytes(capacity);
  memset(r, 0, sizeof(*r));
  r->block = malloc(bytes + 2 * GUARD_BYTES);
  CHECK(r->block);
  memset(r->block, 0xA5, bytes + 2 * GUARD_BYTES);
  memset(r->block + GUARD_BYTES, 0, bytes);
  enetjs_channel_ring_attach(&r->in, r->words, r->block + GUARD_BYTES, capacity);
  enetjs_channel_ring_attach(&r->out, r->words, r->block + GUARD_BYTES, capacity);
  sleeper_init(&r->producer);
  sleeper_init(&r->consumer);
  r->sent.state = r->expected.state = 20261121;
  r->sent.capacity = r->expected.capacity = capacity;
}

static void rings_close(struct rings *r) {
  for (unsigned i = 0; i < GUARD_BYTES; i++) {
    CHECK_EQ_INT(r->block[i], 0xA5);
    CHECK_EQ_INT(r->block[GUARD_BYTES + r->in.size + i], 0xA5);
  }
  free(r->block);
}

static bool send_one(struct rings *r) {
  uint32_t length = sequence_length(&r->sent);
  uint8_t *data;
  while (enetjs_channel_ring_reserve(&r->out, length, &data) != ENETJS_CHANNEL_RING_OK) {
    enetjs_channel_ring_want_room(&r->out);
    if (enetjs_channel_ring_reserve(&r->out, length, &data) == ENETJS_CHANNEL_RING_OK) break;
    if (!sleep_until_woken(&r->producer)) return false;
  }
  sequence_fill(r->sent.number++, data, length);
  if (enetjs_channel_ring_commit(&r->out, length)) wake(&r->consumer);
  return true;
}

static void produce(void *argument) {
  struct rings *r = argument;
  while (r->sent.number < r->count) {
    if (send_one(r)) continue;
    atomic_fetch_add(&r->failures, 1);
    return;
  }
}

static bool receive_one(struct rings *r) {
  uint8_t *data;
  uint32_t length;
  bool granted = false;
  while (enetjs_channel_ring_peek(&r->in, &data, &length, &granted) != ENETJS_CHANNEL_RING_OK) {
    enetjs_channel_ring_want_message(&r->in, true);
    if (enetjs_channel_ring_peek(&r->in, &data, &length, &granted) == ENETJS_CHANNEL_RING_OK) break;
    if (granted) wake(&r->producer);
    granted = false;
    if (!sleep_until_woken(&r->consumer)) return false;
  }
  enetjs_channel_ring_want_message(&r->in, false);
  if (!sequence_check(&r->expected, data, length)) return false;
  granted |= enetjs_channel_ring_release(&r->in, length);
  if (granted) wake(&r->producer);
  return true;
}

TEST(a_ring_carries_a_sequence_between_two_threads) {
  static const uint32_t capacities[] = {1, 8, 57, 1000, 100000};
  for (size_t i = 0; i < sizeof(capacities) / sizeof(*capacities); i++) {
    struct rings r;
    enetjs_thread producer;
    rings_open(&r, capacities[i]);
    r.count = capacities[i] > 1000 ? 3000 : 30000;
    CHECK(enetjs_thread_start(&producer, produce, &r));
    for (uint32_t n = 0; n < r.count; n++) CHECK(receive_one(&r));
    enetjs_thread_join(producer);
    CHECK_EQ_INT(r.failures, 0);
    rings_close(&r);
  }
}

TEST(a_ring_takes_its_capacity_wherever_it_stands) {
  for (uint32_t before = 0; before <= 100; before++) {
    struct rings r;
    uint8_t *data;
    uint32_t length;
    bool granted = false;
    rings_open(&r, 100);
    for (unsigned turn = 0; turn < 3; turn++) {
      uint32_t sizes[] = {before, 100};
      for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ_INT(enetjs_channel_ring_reserve(&r.out, sizes[i], &data), ENETJS_CHANNEL_RING_OK);
        memset(data, (int)(turn + i), sizes[i]);
        enetjs_channel_ring_commit(&r.out, sizes[i]);
        CHECK_EQ_INT(enetjs_channel_ring_peek(&r.in, &data, &length, &granted), ENETJS_CHANNEL_RING_OK);
        CHECK_EQ_INT(length, sizes[i]);
        for (uint32_t n = 0; n < length; n++) CHECK_EQ_INT(data[n], turn + i);
        enetjs_channel_ring_release(&r.in, length);
      }
    }
    rings_close(&r);
  }
}

TEST(a_damaged_ring_is_found_broken) {
  for (unsigned damage = 0; damage < 7; damage++) {
    struct rings r;
    uint8_t *data;
    uint32_t length;
    bool granted = false;
    uint32_t *record;
    rings_open(&r, 100);
    CHECK_EQ_INT(enetjs_channel_ring_reserve(&r.out, 10, &data), ENETJS_CHANNEL_RING_OK);
    enetjs_channel_ring_commit(&r.out, 10);
    record = (uint32_t *)(void *)r.in.bytes;
    switch (damage) {
      case 0: r.words[ENETJS_CHANNEL_WORD_HEAD] = UINT32_MAX; break;
      case 1: r.words[ENETJS_CHANNEL_WORD_HEAD] = 33; break;
      case 2: record[ENETJS_CHANNEL_RECORD_LENGTH] = 101; break;
      case 3: record[ENETJS_CHANNEL_RECORD_LENGTH] = UINT32_MAX; break;
      case 4: record[ENETJS_CHANNEL_RECORD_LENGTH] = 50; break; /* more than was written */
      case 5: record[ENETJS_CHANNEL_RECORD_KIND] = 0; break;
      case 6: record[ENETJS_CHANNEL_RECORD_KIND] = ENETJS_CHANNEL_KIND_WITHDRAWN + 1; break;
    }
    CHECK_EQ_INT(enetjs_channel_ring_peek(&r.in, &data, &length, &granted), ENETJS_CHANNEL_RING_BROKEN);
    r.words[ENETJS_CHANNEL_WORD_TAIL] = 1000;
    CHECK_EQ_INT(enetjs_channel_ring_reserve(&r.out, 10, &data), ENETJS_CHANNEL_RING_BROKEN);
    rings_close(&r);
  }
}

/* ---- Channels -------------------------------------------------------------------------------- */

/* JavaScript's end. */
struct end {
  double handle;
  enetjs_fd fd;
  struct enetjs_channel_ring in, out;
};

static void attach(struct enetjs_channel_ring *ring, uint8_t *block, unsigned direction) {
  _Atomic uint32_t *words = (_Atomic uint32_t *)(void *)(block + direction * ENETJS_CHANNEL_DIRECTION_BYTES);
  enetjs_channel_ring_attach(ring, words, block + words[ENETJS_CHANNEL_WORD_OFFSET],
                             words[ENETJS_CHANNEL_WORD_CAPACITY]);
  CHECK_EQ_INT(ring->size, words[ENETJS_CHANNEL_WORD_RING_BYTES]);
}

static void await_byte(struct end *e) {
  enetjs_pollfd fd = {.fd = e->fd, .events = POLLIN};
  CHECK(enetjs_poll(&fd, 1, DEADLINE_MS) > 0);
  enetjs_drain(e->fd);
}

static void open_end(struct end *e, const char *path, const char *configuration) {
  double address;
  e->handle = enetjs_channel_open((const uint8_t *)path, (double)strlen(path), (const uint8_t *)configuration,
                                  (double)strlen(configuration), 5000, 3000, INT32_MAX);
  CHECK(e->handle >= 0);
  address = enetjs_channel_address(e->handle);
  CHECK(address > 0);
  attach(&e->out, (uint8_t *)(uintptr_t)address, 0);
  attach(&e->in, (uint8_t *)(uintptr_t)address, 1);
  e->fd = (enetjs_fd)enetjs_channel_start(e->handle, 0, NULL, 0);
  CHECK(e->fd != ENETJS_FD_NONE);
  CHECK_EQ_INT(enetjs_channel_start(e->handle, 0, NULL, 0), ENETJS_ERR_ARGUMENT);
}

static void await_loaded(struct end *e) {
  while (enetjs_channel_state(e->handle) == ENETJS_CHANNEL_STATE_LOADING) await_byte(e);
}

static void close_end(struct end *e) {
  double ending = enetjs_channel_close(e->handle, 0);
  CHECK(ending >= 0);
  while (ending == 1 && enetjs_channel_state(e->handle) != ENETJS_ERR_CLOSED) await_byte(e);
  CHECK_EQ_INT(enetjs_channel_close(e->handle, 0), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_channel_notify(e->handle), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_channel_address(e->handle), ENETJS_ERR_CLOSED);
  enetjs_fd_close(e->fd);
}

/* @returns whether it was sent */
static bool try_send(struct end *e, const void *bytes, uint32_t length) {
  uint8_t *data;
  if (enetjs_channel_ring_reserve(&e->out, length, &data) != ENETJS_CHANNEL_RING_OK) return false;
  if (length > 0) memcpy(data, bytes, length);
  if (enetjs_channel_ring_commit(&e->out, length)) enetjs_channel_notify(e->handle);
  return true;
}

/* @returns whether there was a message, which is the next one */
static bool try_receive(struct end *e, struct sequence *expected) {
  uint8_t *data;
  uint32_t length;
  bool granted = false;
  if (enetjs_channel_ring_peek(&e->in, &data, &length, &granted) != ENETJS_CHANNEL_RING_OK) return false;
  CHECK(sequence_check(expected, data, length));
  granted |= enetjs_channel_ring_release(&e->in, length);
  if (granted) enetjs_channel_notify(e->handle);
  return true;
}

static void nothing_left(void) {
  CHECK_EQ_INT(enetjs_live_channels, 0);
  CHECK_EQ_INT(enetjs_live_plugins, 0);
  CHECK_EQ_INT(enetjs_channel_bytes, 0);
}

TEST(a_plugin_echoes_a_sequence) {
  struct end e;
  struct sequence sent = {.state = 9, .capacity = 3000}, expected = sent;
  uint8_t message[3000];
  uint32_t length = sequence_length(&sent);
  open_end(&e, TEST_PLUGIN, "sequence 9");
  while (expected.number < 20000) {
    sequence_fill(sent.number, message, length);
    if (sent.number < 20000 && try_send(&e, message, length)) {
      sent.number++;
      length = sequence_length(&sent);
    }
    while (try_receive(&e, &expected)) {
    }
    if (sent.number == 20000 || sent.number % 64 == 0) test_yield();
  }
  close_end(&e);
  nothing_left();
}

TEST(a_plugin_wakes_who_waits) {
  struct end e;
  struct sequence expected = {.state = 4, .capacity = 3000};
  open_end(&e, TEST_PLUGIN, "source 4 5000");
  while (expected.number < 5000) {
    if (try_receive(&e, &expected)) continue;
    enetjs_channel_ring_want_message(&e.in, true);
    if (!try_receive(&e, &expected)) await_byte(&e);
  }
  close_end(&e);
  nothing_left();
}

TEST(channels_are_closed_in_mid_traffic) {
  for (unsigned i = 0; i < 100; i++) {
    struct end ends[3];
    uint8_t message[100] = {0};
    open_end(&ends[0], TEST_PLUGIN, "echo");
    open_end(&ends[1], TEST_PLUGIN, "source 1 1000000");
    open_end(&ends[2], TEST_PLUGIN, "threads 1000000");
    for (unsigned n = 0; n < i * 10; n++) try_send(&ends[0], message, n % 100);
    if (i % 2) await_loaded(&ends[1]);
    for (unsigned n = 0; n < 3; n++) close_end(&ends[(i + n) % 3]);
  }
  nothing_left();
}

TEST(a_fault_ends_the_channel_and_is_told) {
  static const char rules[] = "onlAcarkw";
  for (const char *rule = rules; *rule; rule++) {
    struct end e;
    uint8_t text[512];
    open_end(&e, TEST_PLUGIN, "fault");
    await_loaded(&e);
    CHECK(try_send(&e, rule, 1));
    while (enetjs_channel_state(e.handle) >= 0) await_byte(&e);
    CHECK_EQ_INT(enetjs_channel_state(e.handle), ENETJS_ERR_FAULT);
    CHECK(enetjs_channel_text(e.handle, ENETJS_CHANNEL_TEXT_ERROR, text, sizeof(text)) > 10);
    close_end(&e);
  }
  nothing_left();
}

static void check_text(const struct end *e, int which, const char *expected) {
  uint8_t text[512];
  double length = enetjs_channel_text(e->handle, which, text, sizeof(text) - 1);
  CHECK_EQ_INT(length, strlen(expected));
  text[(size_t)length] = 0;
  CHECK(strcmp((const char *)text, expected) == 0);
}

TEST(a_plugin_tells_its_name_and_version) {
  struct end e;
  uint8_t text[512];
  open_end(&e, TEST_PLUGIN, "echo");
  await_loaded(&e);
  check_text(&e, ENETJS_CHANNEL_TEXT_NAME, "test plugin");
  check_text(&e, ENETJS_CHANNEL_TEXT_VERSION, "1.2.3");
  check_text(&e, ENETJS_CHANNEL_TEXT_ERROR, "");
  CHECK_EQ_INT(enetjs_channel_text(e.handle, ENETJS_CHANNEL_TEXT_NAME, text, 4), 4);
  CHECK_EQ_INT(enetjs_channel_text(e.handle, 3, text, sizeof(text)), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_channel_text(e.handle, -1, text, sizeof(text)), ENETJS_ERR_ARGUMENT);
  close_end(&e);
  nothing_left();
}

TEST(a_plugin_of_the_first_version_runs_and_has_no_name) {
  struct end e;
  open_end(&e, FIRST_ABI_PLUGIN, "");
  await_loaded(&e);
  CHECK_EQ_INT(enetjs_channel_state(e.handle), ENETJS_CHANNEL_STATE_RUNNING);
  check_text(&e, ENETJS_CHANNEL_TEXT_NAME, "");
  check_text(&e, ENETJS_CHANNEL_TEXT_VERSION, "");
  close_end(&e);
  nothing_left();
}

TEST(what_is_no_plugin_is_refused) {
  static const struct {
    const char *path, *configuration;
    int error;
  } cases[] = {
      {"/nowhere/plugin.so", "", ENETJS_ERR_PLUGIN_MISSING}, {__FILE__, "", ENETJS_ERR_PLUGIN_PLATFORM},
      {WRONG_ABI_PLUGIN, "", ENETJS_ERR_PLUGIN_ABI},         {WRONG_ABI, "", ENETJS_ERR_PLUGIN_SYMBOL},
      {TEST_PLUGIN, "refuse", ENETJS_ERR_PLUGIN_INITIALIZE},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct end e;
    open_end(&e, cases[i].path, cases[i].configuration);
    await_loaded(&e);
    CHECK_EQ_INT(enetjs_channel_state(e.handle), cases[i].error);
    close_end(&e);
  }
  nothing_left();
}

static void leave_channels_open(void *argument) {
  struct end *ends = argument;
  open_end(&ends[0], TEST_PLUGIN, "source 1 1000000");
  open_end(&ends[1], TEST_PLUGIN, "echo");
  await_loaded(&ends[0]);
}

TEST(channels_are_closed_when_their_thread_exits) {
  struct end ends[2];
  enetjs_thread thread;
  uint64_t deadline = test_deadline_ms(DEADLINE_MS);
  CHECK(enetjs_thread_start(&thread, leave_channels_open, ends));
  enetjs_thread_join(thread);
  while (enetjs_live_plugins > 0 && !test_deadline_passed(deadline)) test_yield();
  nothing_left();
}

TEST(senseless_arguments_are_refused) {
  static const double senseless[] = {-1, 0.5, 1e300, 2147483648.0};
  const uint8_t path[] = "x";
  for (unsigned i = 0; i < 4; i++) {
    double v = senseless[i];
    CHECK_EQ_INT(enetjs_channel_open(path, v, path, 0, 10, 10, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_channel_open(path, 1, path, v, 10, 10, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_channel_open(path, 1, path, 0, v, 10, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_channel_open(path, 1, path, 0, 10, v, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_channel_open(path, 1, path, 0, 10, 10, v), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_channel_start(v, 0, NULL, 0), ENETJS_ERR_CLOSED);
    CHECK_EQ_INT(enetjs_channel_state(v), ENETJS_ERR_CLOSED);
    CHECK_EQ_INT(enetjs_channel_close(v, 0), ENETJS_ERR_CLOSED);
  }
  nothing_left();
}

/*
 * That a thread unloads the plugin before another loads it again is the loader's to see to, and the
 * thread sanitizer does not see it do so. There, the plugin stays.
 */
static bool keep_plugin(void) {
#if defined(__SANITIZE_THREAD__)
  return dlopen(TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL) != NULL;
#else
  return true;
#endif
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(a_ring_carries_a_sequence_between_two_threads),
      TEST_CASE(a_ring_takes_its_capacity_wherever_it_stands),
      TEST_CASE(a_damaged_ring_is_found_broken),
      TEST_CASE(a_plugin_echoes_a_sequence),
      TEST_CASE(a_plugin_wakes_who_waits),
      TEST_CASE(channels_are_closed_in_mid_traffic),
      TEST_CASE(a_fault_ends_the_channel_and_is_told),
      TEST_CASE(a_plugin_tells_its_name_and_version),
      TEST_CASE(a_plugin_of_the_first_version_runs_and_has_no_name),
      TEST_CASE(what_is_no_plugin_is_refused),
      TEST_CASE(channels_are_closed_when_their_thread_exits),
      TEST_CASE(senseless_arguments_are_refused),
  };
  return keep_plugin() ? test_run(cases, TEST_COUNT(cases)) : EXIT_FAILURE;
}
