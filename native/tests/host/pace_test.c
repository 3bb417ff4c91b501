/*
 * When the consumer is woken: the rules by themselves, on a clock of the test's, and the waiting for
 * the next message in place of the pump.
 */
#include "../consumer.h"

/* ---- The rules ------------------------------------------------------------------------------- */

struct scene {
  struct enetjs_pace pace;
  int spin;
  uint64_t now;
};

static struct scene scene(int spin) {
  struct scene s = {.spin = spin, .now = 1000000};
  enetjs_pace_reset(&s.pace);
  return s;
}

/** A wake-up some time after the last one, with so many datagrams and changes of their source. */
static void wake(struct scene *s, uint64_t after_us, unsigned datagrams, unsigned source_changes) {
  struct enetjs_service_result result = {
      .woken = true, .found = true, .datagrams = datagrams, .source_changes = source_changes};
  s->now += after_us;
  result.now_us = s->now;
  enetjs_pace_observe(&s->pace, s->spin, &result);
}

/** What an attending consumer has taken, some time after the last. */
static void take(struct scene *s, uint64_t after_us, unsigned datagrams) {
  struct enetjs_service_result result = {.found = true, .datagrams = datagrams};
  s->now += after_us;
  result.now_us = s->now;
  enetjs_pace_observe(&s->pace, s->spin, &result);
}

/**
 * A peer sends a datagram every `gap_us`, `burst` of them at most without an answer. @returns how many were
 * dozed for
 */
static unsigned take_stream(struct scene *s, unsigned services, unsigned gap_us, unsigned burst) {
  unsigned dozed = 0;
  for (unsigned i = 0; i < services; i++) {
    unsigned asleep = s->pace.dozing.on ? 80 : 2 * gap_us, datagrams = asleep / gap_us;
    dozed += s->pace.dozing.on;
    take(s, asleep, datagrams < burst ? datagrams : burst);
  }
  return dozed;
}

/** Wakes by many peers that send as often whatever is done. @returns how many coalesced */
static unsigned wake_by_crowd(struct scene *s, unsigned wakes, unsigned datagrams_per_ms) {
  unsigned coalesced = 0;
  for (unsigned i = 0; i < wakes; i++) {
    if (s->pace.coalescing.on) {
      wake(s, 1050, datagrams_per_ms, datagrams_per_ms);
      coalesced++;
    } else {
      wake(s, 1000 / datagrams_per_ms, 1, 1);
    }
  }
  return coalesced;
}

TEST(a_crowd_is_coalesced) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  wake_by_crowd(&s, 500, 20);
  CHECK(s.pace.coalescing.on);
  CHECK_EQ_INT(wake_by_crowd(&s, 10000, 20), 10000);
  CHECK(!s.pace.attending);
}

TEST(a_crowd_that_stops_for_a_moment_is_coalesced_on) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  wake_by_crowd(&s, 500, 20);
  for (int i = 0; i < 100; i++) {
    wake(&s, 15000, 20, 20);
    CHECK_EQ_INT(wake_by_crowd(&s, 50, 20), 50);
  }
}

TEST(a_crowd_is_coalesced_whose_first_messages_came_in_a_burst) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  wake(&s, 50, 1000, 1000);
  wake_by_crowd(&s, 1000, 20);
  CHECK_EQ_INT(wake_by_crowd(&s, 1000, 20), 1000);
}

TEST(a_crowd_that_leaves_is_no_longer_coalesced) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  wake_by_crowd(&s, 500, 20);
  for (int i = 0; i < 100; i++) wake(&s, 1050, 1, 1);
  CHECK(!s.pace.coalescing.on);
}

TEST(a_single_peer_is_not_coalesced) {
  struct scene s = scene(ENETJS_SPIN_NEVER);
  for (int i = 0; i < 10000; i++) {
    wake(&s, 20, 1, 0);
    CHECK(!s.pace.coalescing.on);
  }
}

TEST(rare_messages_that_are_answered_at_once_are_not_coalesced) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  for (int i = 0; i < 10000; i++) {
    wake(&s, 2000, 1, 1);
    enetjs_pace_sent(&s.pace, s.now + 50);
    CHECK(!s.pace.coalescing.on && !s.pace.attending);
  }
}

/** Peers send every two milliseconds; the program sends something when so much time is over. */
static unsigned wake_by_players(struct scene *s, unsigned wakes, uint64_t tick_us) {
  unsigned coalesced = 0;
  uint64_t next = s->now + tick_us;
  for (unsigned i = 0; i < wakes; i++) {
    unsigned datagrams = s->pace.coalescing.on ? 1 + s->pace.rest_ms / 2 : 1;
    wake(s, datagrams * 2000, datagrams, datagrams);
    coalesced += s->pace.coalescing.on;
    for (; next <= s->now; next += tick_us) enetjs_pace_sent(&s->pace, next);
  }
  return coalesced;
}

TEST(rare_messages_are_coalesced_while_the_program_sends_from_a_timer) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  wake_by_players(&s, 1000, 50000);
  CHECK_EQ_INT(wake_by_players(&s, 1000, 50000), 1000);
  CHECK_EQ_INT(s.pace.rest_ms, 4);
  for (int i = 0; i < 100; i++) {
    wake(&s, 2000, 1, 1);
    enetjs_pace_sent(&s.pace, s.now + 50);
  }
  CHECK(!s.pace.coalescing.on);
  CHECK_EQ_INT(s.pace.rest_ms, 1);
}

TEST(a_quarter_of_the_time_until_an_answer_is_waited_at_most) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  wake_by_players(&s, 10000, 9000);
  CHECK(s.pace.rest_ms <= 2);
}

TEST(peers_that_wait_for_answers_are_not_kept_waiting) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  unsigned slow = 0;
  /* Ten peers: each asks again 50 microseconds after its answer. */
  for (int i = 0; i < 20000; i++) {
    slow += s.pace.coalescing.on;
    if (s.pace.coalescing.on)
      wake(&s, 1050, 10, 10);
    else
      wake(&s, 50, 5, 5);
  }
  CHECK(slow < 300);
}

TEST(close_messages_of_one_peer_are_attended) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  for (int i = 0; i < 100; i++) wake(&s, 50, 1, 0);
  CHECK(s.pace.attending);
  for (int i = 0; i < 100; i++) wake(&s, 2000, 1, 0);
  CHECK(!s.pace.attending);
}

TEST(attending_in_vain_gets_rare) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  unsigned attended = 0;
  for (int i = 0; i < 10000; i++) {
    wake(&s, 50, 1, 0);
    if (!s.pace.attending) continue;
    attended++;
    enetjs_pace_give_up(&s.pace);
  }
  CHECK(attended > 3 && attended < 300);
}

TEST(attending_pauses_now_and_then) {
  struct scene s = scene(ENETJS_SPIN_ALWAYS);
  unsigned pauses = 0;
  for (int i = 0; i < 10000; i++) {
    wake(&s, 20, 1, 0);
    pauses += !s.pace.attending;
  }
  CHECK(pauses >= 18 && pauses <= 22); /* in 200 ms */
}

TEST(datagrams_that_come_one_by_one_are_dozed_for) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  take_stream(&s, 5000, 4, 1000);
  CHECK(s.pace.dozing.on);
  CHECK(take_stream(&s, 10000, 4, 1000) > 9900);
}

TEST(a_peer_that_waits_for_answers_is_not_dozed_for) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  CHECK(take_stream(&s, 100000, 4, 12) < 2000);
}

TEST(question_and_answer_are_not_dozed_for) {
  struct scene s = scene(ENETJS_SPIN_AUTO);
  for (int i = 0; i < 10000; i++) {
    take(&s, 18, 1);
    CHECK(!s.pace.dozing.on);
  }
}

TEST(attending_can_be_switched_off_or_asked_for) {
  struct scene never = scene(ENETJS_SPIN_NEVER), always = scene(ENETJS_SPIN_ALWAYS);
  for (int i = 0; i < 1000; i++) {
    wake(&never, 20, 1, 0);
    CHECK(!never.pace.attending);
    wake(&always, 10000, 3, 3);
    CHECK(always.pace.attending);
    enetjs_pace_give_up(&always.pace);
  }
}

/* ---- Waiting for the next message ------------------------------------------------------------ */

struct pair {
  struct consumer server, client;
  double peer;
};

static void pair_open(struct pair *p, int spin) {
  consumer_start(&p->server);
  p->server.config[ENETJS_CONFIG_PUMP] = 1;
  p->server.config[ENETJS_CONFIG_SPIN] = spin;
  consumer_open(&p->server);
  client_open(&p->client);
  consumer_start_pump(&p->server);
  p->peer = connect_pair_of(&p->client, &p->server);
}

static void pair_close(struct pair *p) {
  consumer_close(&p->client);
  consumer_close(&p->server);
}

static void send_and_flush(struct pair *p) {
  CHECK(send_text(&p->client, p->peer, 1, "now", 0) >= 0);
  CHECK_EQ_INT(enetjs_host_flush(p->client.host), 0);
}

static bool attended(const struct pair *p) { return p->server.words[ENETJS_WORD_ATTENDED] != 0; }

/** Whether the second of two messages was found by attending. Attending pauses after ATTEND_STRETCH_US. */
static bool is_due_without_wake_up(struct pair *p) {
  uint32_t received = p->server.receives;
  double what = ENETJS_ATTEND_AGAIN, wakes;
  bool was_attended;
  send_and_flush(p);
  UNTIL(p->server.receives > received, consumer_poll(&p->server));
  was_attended = attended(p);
  wakes = statistic(&p->server, ENETJS_HOST_STAT_WAKE_UPS);
  send_and_flush(p);
  while (what == ENETJS_ATTEND_AGAIN) what = enetjs_host_attend(p->server.host);
  CHECK(was_attended || what == ENETJS_ATTEND_OVER);
  return what == ENETJS_ATTEND_DUE && statistic(&p->server, ENETJS_HOST_STAT_WAKE_UPS) == wakes;
}

TEST(a_message_is_due_without_a_wake_up) {
  struct pair p;
  unsigned due = 0;
  pair_open(&p, ENETJS_SPIN_ALWAYS);
  /* On a busy machine, the time may be over before the message is there. */
  UNTIL(due >= 20, {
    due += is_due_without_wake_up(&p);
    consumer_poll(&p.server);
    consumer_poll(&p.client);
  });
  pair_close(&p);
}

TEST(after_waiting_for_nothing_the_pump_watches_again) {
  struct pair p;
  uint32_t received;
  double what = ENETJS_ATTEND_AGAIN, wakes;
  pair_open(&p, ENETJS_SPIN_ALWAYS);
  for (int i = 0; i < 50; i++) poll_both(&p.client, &p.server);
  received = p.server.receives;
  send_and_flush(&p);
  UNTIL(p.server.receives > received, consumer_poll(&p.server));
  UNTIL(what == ENETJS_ATTEND_OVER, {
    what = enetjs_host_attend(p.server.host);
    if (what == ENETJS_ATTEND_DUE) consumer_poll(&p.server); /* an acknowledgement */
  });
  CHECK_EQ_INT(enetjs_host_attend(p.server.host), ENETJS_ATTEND_OVER);
  wakes = statistic(&p.server, ENETJS_HOST_STAT_WAKE_UPS);
  UNTIL(statistic(&p.server, ENETJS_HOST_STAT_WAKE_UPS) > wakes, {
    send_and_flush(&p);
    consumer_poll(&p.client);
    test_yield();
  });
  pair_close(&p);
}

TEST(a_host_that_never_spins_is_not_attended) {
  struct pair p;
  pair_open(&p, ENETJS_SPIN_NEVER);
  for (int i = 0; i < 100; i++) {
    uint32_t received = p.server.receives;
    send_and_flush(&p);
    UNTIL(p.server.receives > received, poll_both(&p.client, &p.server));
    CHECK(!attended(&p));
    CHECK_EQ_INT(enetjs_host_attend(p.server.host), ENETJS_ATTEND_OVER);
  }
  CHECK_EQ_INT(enetjs_host_attend(-1), ENETJS_ERR_CLOSED);
  pair_close(&p);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(a_crowd_is_coalesced),
      TEST_CASE(a_crowd_that_stops_for_a_moment_is_coalesced_on),
      TEST_CASE(a_crowd_is_coalesced_whose_first_messages_came_in_a_burst),
      TEST_CASE(a_crowd_that_leaves_is_no_longer_coalesced),
      TEST_CASE(a_single_peer_is_not_coalesced),
      TEST_CASE(rare_messages_that_are_answered_at_once_are_not_coalesced),
      TEST_CASE(rare_messages_are_coalesced_while_the_program_sends_from_a_timer),
      TEST_CASE(a_quarter_of_the_time_until_an_answer_is_waited_at_most),
      TEST_CASE(peers_that_wait_for_answers_are_not_kept_waiting),
      TEST_CASE(close_messages_of_one_peer_are_attended),
      TEST_CASE(attending_in_vain_gets_rare),
      TEST_CASE(attending_pauses_now_and_then),
      TEST_CASE(datagrams_that_come_one_by_one_are_dozed_for),
      TEST_CASE(a_peer_that_waits_for_answers_is_not_dozed_for),
      TEST_CASE(question_and_answer_are_not_dozed_for),
      TEST_CASE(attending_can_be_switched_off_or_asked_for),
      TEST_CASE(a_message_is_due_without_a_wake_up),
      TEST_CASE(after_waiting_for_nothing_the_pump_watches_again),
      TEST_CASE(a_host_that_never_spins_is_not_attended),
  };
  return test_run(cases, TEST_COUNT(cases));
}
