/*
 * When the consumer is woken: at once while few datagrams come, and less often than for each datagram while
 * many come.
 *
 * A wake-up costs some ten microseconds on each of two threads. Three methods save wake-ups.
 *
 *   Attending. When the messages of one peer follow each other closely, waiting for the next one costs no
 *   more than a wake-up. The consumer then waits for it, in short turns between which its event loop goes on.
 *   When no message comes in that time, as when both sides share one core, attending is given up for a while,
 *   twice as long each time.
 *
 *   Coalescing. When many peers send, each datagram would wake the consumer. Instead it is woken once a
 *   millisecond, for all datagrams that have come. A program that answers by a timer, as a game with ticks
 *   does, is woken once in up to four milliseconds: at most a quarter of the time that it takes to answer.
 *   Peers that wait for answers send less when the answers take longer. So coalescing ends when the receive
 *   rate drops, and such peers get their answers at once.
 *
 *   Dozing. When one peer sends many datagrams in a row, a consumer that attends would find and acknowledge
 *   each alone. So it sleeps now and then for some tens of microseconds before it looks. A peer whose window
 *   is full waits for acknowledgements. So dozing ends when the receive rate drops.
 *
 * The source of each datagram is known only where datagrams are read in batches. Elsewhere many peers look
 * like one.
 */
#include "base/clock.h"
#include "host/internal.h"

enum {
  ATTEND_US = 100,         /* how long the consumer attends by default */
  ATTEND_ALWAYS_US = 1000, /* how long it attends where the program asks for it */
  ATTEND_TURN_US = 20,
  ATTEND_STRETCH_US = 10000,
  ATTEND_GAP_US = 1000, /* between services that found something */
  ATTEND_FAILURES = 8,  /* that are remembered */
  ATTEND_FORGIVEN = 2,
  COALESCE_GAP_US = 500, /* between wake-ups, where the program answers at once */
  REST_LIMIT_MS = 4,
  ANSWER_RESTS = 4,  /* that fit into the time until the program answers */
  DOZE_RATE = 80000, /* datagrams a second */
  DOZE_TURNS = 3,    /* of which one begins with a nap */
  TRIAL_SKIP = 16,   /* windows until it is tried, doubled each time */
  TRIAL_SKIP_LIMIT = 4096,
  TRIAL_PROVEN = 64, /* good windows after which one bad end does not count against the trial */
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

/* ---- Trials ---------------------------------------------------------------------------------- */

/* What a trial is judged by. */
struct terms {
  unsigned turns;   /* in a window, at whose end it is judged */
  unsigned minimum; /* datagrams a turn that make it worth while */
  unsigned keeps;   /* sixteenths of the rate that must be left */
};

static const struct terms COALESCING = {16, 4, 8}, COALESCING_LONGER = {16, 2, 8}, DOZING = {64, 8, 15};

static void begin_window(struct enetjs_trial *trial, uint64_t now_us) {
  trial->window_us = now_us;
  trial->window_turns = trial->window_datagrams = 0;
}

static void forget(struct enetjs_trial *trial) { trial->before_us = trial->before_datagrams = 0; }

static void end_trial(struct enetjs_trial *trial) {
  trial->on = false;
  forget(trial);
  trial->skip = trial->skip_next;
  if (trial->skip_next < TRIAL_SKIP_LIMIT) trial->skip_next *= 2;
}

static bool pays(const struct enetjs_trial *trial, const struct terms *terms, uint64_t elapsed_us) {
  uint64_t keep = trial->before_datagrams * elapsed_us / 16 * terms->keeps;
  return trial->window_datagrams >= terms->minimum * terms->turns &&
         trial->window_datagrams * trial->before_us >= keep;
}

/* Peers that stop for a moment make one bad window, so it ends with the second in a row. */
static void judge(struct enetjs_trial *trial, const struct terms *terms, uint64_t elapsed_us) {
  bool good = pays(trial, terms, elapsed_us);
  if (!good && trial->bad_window_seen) {
    end_trial(trial);
    return;
  }
  trial->bad_window_seen = !good;
  if (good && ++trial->windows == TRIAL_PROVEN) trial->skip_next = TRIAL_SKIP;
}

/*
 * A single window may hold a burst, so the rate before the trial is that of all windows since the last trial.
 */
static void look_forward(struct enetjs_trial *trial, uint64_t elapsed_us, bool worthwhile) {
  if (!worthwhile) {
    forget(trial);
    return;
  }
  trial->before_us += elapsed_us;
  trial->before_datagrams += trial->window_datagrams;
  if (trial->skip > 0) {
    trial->skip--;
    return;
  }
  trial->on = true;
  trial->bad_window_seen = false;
  trial->windows = 0;
}

static void decide(struct enetjs_trial *trial, const struct terms *terms, uint64_t elapsed_us,
                   bool worthwhile) {
  if (trial->on)
    judge(trial, terms, elapsed_us);
  else
    look_forward(trial, elapsed_us, worthwhile);
}

/* Counts a turn. @returns the microseconds that the window has taken if it is over, or 0 */
static uint64_t end_turn(struct enetjs_trial *trial, const struct terms *terms,
                         const struct enetjs_service_result *result) {
  trial->window_datagrams += result->datagrams;
  return ++trial->window_turns < terms->turns ? 0 : result->now_us - trial->window_us + 1;
}

/* ---- Coalescing ------------------------------------------------------------------------------ */

/* How long the program takes until it sends something after it was given messages. */
static uint64_t answer_us(const struct enetjs_pace *pace, uint64_t now) {
  uint64_t waiting = pace->unanswered_us == 0 ? 0 : now - pace->unanswered_us;
  return waiting > pace->answer_us ? waiting : pace->answer_us;
}

static void choose_rest(struct enetjs_pace *pace, uint64_t now) {
  uint64_t rest = answer_us(pace, now) / (ANSWER_RESTS * 1000);
  pace->rest_ms = rest < 1 ? 1 : rest > REST_LIMIT_MS ? REST_LIMIT_MS : (unsigned)rest;
}

void enetjs_pace_sent(struct enetjs_pace *pace, uint64_t now_us) {
  if (pace->unanswered_us == 0) return;
  average(&pace->answer_us, gap_since(&pace->unanswered_us, now_us));
  pace->unanswered_us = 0;
}

static void on_woken(struct enetjs_pace *pace, const struct enetjs_service_result *result) {
  struct enetjs_trial *trial = &pace->coalescing;
  const struct terms *terms = pace->rest_ms > 1 ? &COALESCING_LONGER : &COALESCING;
  uint64_t gap = pace->rest_ms > 1 ? pace->rest_ms * 1000 : COALESCE_GAP_US;
  uint64_t elapsed = end_turn(trial, terms, result);
  if (elapsed == 0) return;
  decide(trial, terms, elapsed, elapsed < gap * terms->turns && pace->spread > FIXED / 2);
  choose_rest(pace, result->now_us);
  begin_window(trial, result->now_us);
}

static void on_attended(struct enetjs_pace *pace, const struct enetjs_service_result *result) {
  struct enetjs_trial *trial = &pace->dozing;
  uint64_t elapsed = end_turn(trial, &DOZING, result);
  if (elapsed == 0) return;
  decide(trial, &DOZING, elapsed,
         (uint64_t)trial->window_datagrams * 1000000 > DOZE_RATE * elapsed &&
             trial->window_datagrams < DOZING.minimum * DOZING.turns);
  begin_window(trial, result->now_us);
}

/* ---- Attending ------------------------------------------------------------------------------- */

static bool is_worth_attending(const struct enetjs_pace *pace, int spin) {
  return spin == ENETJS_SPIN_ALWAYS ||
         (spin == ENETJS_SPIN_AUTO && !pace->coalescing.on && pace->found_gap_us < ATTEND_GAP_US &&
          pace->spread < FIXED / 4 && pace->attend_skip == 0);
}

/*
 * Attending pauses now and then, so that the event loop can run empty. Some runtimes only then end the
 * process, after an error or when nothing is left to do.
 */
static void attend(struct enetjs_pace *pace, bool worth, uint64_t now) {
  if (!pace->attending) {
    pace->attending_since_us = now;
    begin_window(&pace->dozing, now);
  }
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
  if (pace->attend_failures > ATTEND_FORGIVEN)
    pace->attend_skip = 1u << (pace->attend_failures - ATTEND_FORGIVEN);
}

static bool is_readable(const struct enetjs_host *h) {
  enetjs_pollfd fd = {0};
  fd.fd = h->enet->socket;
  fd.events = POLLIN;
  return enetjs_poll(&fd, 1, 0) > 0;
}

/* Not in each turn, because a peer that always gets its acknowledgements late stops for them each time. */
static bool is_to_doze(struct enetjs_host *h) {
  return h->pace.dozing.on && h->spin == ENETJS_SPIN_AUTO && ++h->pace.turns % DOZE_TURNS == 0;
}

/* @returns whether something has come */
static bool attend_for_a_turn(struct enetjs_host *h) {
  uint64_t now, end;
  if (enetjs_next_wait(h) == 0) return true;
  if (is_to_doze(h)) enetjs_thread_doze();
  now = enetjs_clock_us();
  end = now + ATTEND_TURN_US;
  for (; now < end; now = enetjs_clock_us()) {
    if (is_readable(h)) return true;
    enetjs_thread_yield(); /* to the other side, which may share this core */
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
  pace->rest_ms = 1;
  pace->coalescing.skip = pace->coalescing.skip_next = TRIAL_SKIP;
  pace->dozing.skip = pace->dozing.skip_next = TRIAL_SKIP;
}

void enetjs_pace_observe(struct enetjs_pace *pace, int spin, const struct enetjs_service_result *result) {
  if (result->datagrams > 0) average(&pace->spread, result->source_changes * FIXED / result->datagrams);
  if (result->sent) enetjs_pace_sent(pace, result->now_us);
  if (result->found && pace->unanswered_us == 0) pace->unanswered_us = result->now_us;
  if (result->woken) on_woken(pace, result);
  if (pace->attending && result->datagrams > 0) on_attended(pace, result);
  if (result->found) on_found(pace, spin, result->now_us);
}
