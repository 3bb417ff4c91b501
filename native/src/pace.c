/*
 * When the consumer is woken: at once while it is quiet, and less often than once per datagram when
 * many come.
 *
 * A wake-up costs two threads some ten microseconds each. Two things make them fewer:
 *
 *   Attending. When one peer's messages follow each other so closely that waiting for the next one
 *   costs no more than a wake-up, the consumer stays for it, in short turns between which its event
 *   loop goes on. Where that is in vain, as when both sides share one core, it is given up for twice
 *   as long each time.
 *
 *   Coalescing. When many peers send, each datagram would wake the consumer. It is woken once a
 *   millisecond then, for all that has come, as long as no less comes because of it: peers that wait
 *   for answers send less when answers take longer, and get theirs at once.
 *
 * Who has sent is known where datagrams are read in batches only; elsewhere neither is done.
 */
#include "clock.h"
#include "internal.h"

enum {
  ATTEND_US = 100,         /* how long to stay by default */
  ATTEND_ALWAYS_US = 1000, /* and where the program asks for it */
  ATTEND_TURN_US = 20,
  ATTEND_STRETCH_US = 10000,
  ATTEND_GAP_US = 1000, /* between services that found something */
  ATTEND_FAILURES = 8,  /* that are remembered */
  ATTEND_FORGIVEN = 2,
  WINDOW = 16,           /* wake-ups, after each so many of which it is decided whether to coalesce */
  COALESCE_GAP_US = 500, /* between wake-ups */
  COALESCE_MINIMUM = 4,  /* datagrams per wake-up */
  COALESCE_SKIP = 16,    /* windows until it is tried again, doubled each time */
  COALESCE_SKIP_LIMIT = 4096,
  LONG_GAP_US = 100000,
  FIXED = 256 /* one, in averages */
};

/* A moving average over about eight values. */
static void average(uint32_t *mean, uint32_t value) { *mean += ((int32_t)value - (int32_t)*mean) / 8; }

static uint32_t gap_since(uint64_t *last, uint64_t now) {
  uint64_t gap = now - *last;
  *last = now;
  return gap < LONG_GAP_US ? (uint32_t)gap : LONG_GAP_US;
}

/* ---- Coalescing ------------------------------------------------------------------------------ */

static void begin_coalescing(struct enetjs_pace *pace, uint64_t rate) {
  pace->coalescing = true;
  pace->coalesced = 0;
  pace->rate_before = rate;
}

static void end_coalescing(struct enetjs_pace *pace) {
  pace->coalescing = false;
  pace->skip = pace->skip_next;
  if (pace->skip_next < COALESCE_SKIP_LIMIT) pace->skip_next *= 2;
}

/* @param rate datagrams a second, in the window that ends */
static void decide(struct enetjs_pace *pace, uint64_t gap_us, uint64_t rate) {
  if (pace->coalescing) {
    if (pace->window_datagrams < COALESCE_MINIMUM * WINDOW || rate < pace->rate_before / 2)
      end_coalescing(pace);
    else if (++pace->coalesced == COALESCE_SKIP_LIMIT)
      pace->skip_next = COALESCE_SKIP;
  } else if (gap_us < COALESCE_GAP_US && pace->spread > FIXED / 2) {
    if (pace->skip == 0)
      begin_coalescing(pace, rate);
    else
      pace->skip--;
  }
}

static void on_woken(struct enetjs_pace *pace, const struct enetjs_yield *yield) {
  uint64_t elapsed = yield->now_us - pace->window_us;
  pace->window_datagrams += yield->datagrams;
  if (++pace->window_wakes < WINDOW) return;
  decide(pace, elapsed / WINDOW, (uint64_t)pace->window_datagrams * 1000000 / (elapsed + 1));
  pace->window_us = yield->now_us;
  pace->window_wakes = pace->window_datagrams = 0;
}

/* ---- Attending ------------------------------------------------------------------------------- */

static bool is_worth_attending(const struct enetjs_pace *pace, int spin) {
  return spin == ENETJS_SPIN_ALWAYS ||
         (spin == ENETJS_SPIN_AUTO && !pace->coalescing && pace->found_gap_us < ATTEND_GAP_US &&
          pace->spread < FIXED / 4 && pace->attend_skip == 0);
}

/*
 * Now and then the event loop comes to rest all the same: some runtimes do only then what they have
 * put off, as to end after an error, or because nothing keeps them.
 */
static void attend(struct enetjs_pace *pace, bool worth, uint64_t now) {
  if (!pace->attending) pace->attending_since_us = now;
  pace->attending = worth && now - pace->attending_since_us < ATTEND_STRETCH_US;
}

static void on_found(struct enetjs_pace *pace, int spin, uint64_t now) {
  average(&pace->found_gap_us, gap_since(&pace->found_us, now));
  attend(pace, is_worth_attending(pace, spin), now);
  if (pace->attending)
    pace->attend_until_us = now + (spin == ENETJS_SPIN_ALWAYS ? ATTEND_ALWAYS_US : ATTEND_US);
  else if (pace->attend_skip > 0)
    pace->attend_skip--;
}

void enetjs_pace_give_up(struct enetjs_pace *pace) {
  pace->attending = false;
  if (pace->attend_failures < ATTEND_FAILURES) pace->attend_failures++;
  if (pace->attend_failures > ATTEND_FORGIVEN) pace->attend_skip = 1u << (pace->attend_failures - ATTEND_FORGIVEN);
}

static bool is_readable(const struct enetjs_host *h) {
  enetjs_pollfd fd = {0};
  fd.fd = h->enet->socket;
  fd.events = POLLIN;
  return enetjs_poll(&fd, 1, 0) > 0;
}

/* @returns whether something has come */
static bool attend_for_a_turn(struct enetjs_host *h) {
  uint64_t now = enetjs_clock_us(), end = now + ATTEND_TURN_US;
  if (enetjs_next_wait(h) == 0) return true;
  for (; now < end; now = enetjs_clock_us()) {
    if (is_readable(h)) return true;
    enetjs_thread_yield(); /* to the other side, where it shares this core */
  }
  return false;
}

double enetjs_host_attend(double host) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = ENETJS_ATTEND_OVER;
  if (!h) return ENETJS_ERR_CLOSED;
  if (h->pace.attending && !h->failed) {
    if (attend_for_a_turn(h)) {
      h->pace.attend_failures /= 2;
      result = ENETJS_ATTEND_DUE;
    } else if (enetjs_clock_us() < h->pace.attend_until_us) {
      result = ENETJS_ATTEND_AGAIN;
    } else {
      enetjs_pace_give_up(&h->pace);
    }
  }
  if (result == ENETJS_ATTEND_OVER) enetjs_pump_rearm(h);
  enetjs_host_release(h);
  return result;
}

/* ---- What a service brought ------------------------------------------------------------------ */

void enetjs_pace_reset(struct enetjs_pace *pace) {
  pace->found_gap_us = LONG_GAP_US;
  pace->skip_next = COALESCE_SKIP;
}

void enetjs_pace_observe(struct enetjs_pace *pace, int spin, const struct enetjs_yield *yield) {
  if (yield->datagrams > 0) average(&pace->spread, yield->turns * FIXED / yield->datagrams);
  if (yield->woken) on_woken(pace, yield);
  if (yield->found) on_found(pace, spin, yield->now_us);
}
