/* Counting missing unreliable messages by the gaps in their numbers. */
#include "wire/gaps.h"

#include <string.h>

#include "../harness.h"

static struct enetjs_gaps gaps;
static enet_uint32 now;

static void begin(void) {
  memset(&gaps, 0, sizeof(gaps));
  now = 1000;
}

static void note(unsigned kind, enet_uint8 channel, enet_uint16 reliable, ENetProtocol *protocol) {
  struct enetjs_command command = {.protocol = protocol, .kind = kind, .has_data = true};
  protocol->header.channelID = channel;
  protocol->header.reliableSequenceNumber = ENET_HOST_TO_NET_16(reliable);
  enetjs_gaps_note(&gaps, &command, now);
}

static void unreliable(enet_uint8 channel, enet_uint16 reliable, enet_uint16 number) {
  ENetProtocol protocol = {0};
  protocol.sendUnreliable.unreliableSequenceNumber = ENET_HOST_TO_NET_16(number);
  note(ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE, channel, reliable, &protocol);
}

static void fragment(enet_uint16 start, enet_uint32 number) {
  ENetProtocol protocol = {0};
  protocol.sendFragment.startSequenceNumber = ENET_HOST_TO_NET_16(start);
  protocol.sendFragment.fragmentNumber = ENET_HOST_TO_NET_32(number);
  note(ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT, 0, 0, &protocol);
}

static void unsequenced(enet_uint16 group) {
  ENetProtocol protocol = {0};
  protocol.sendUnsequenced.unsequencedGroup = ENET_HOST_TO_NET_16(group);
  note(ENET_PROTOCOL_COMMAND_SEND_UNSEQUENCED, 0, 0, &protocol);
}

static void check(unsigned received, unsigned missing, unsigned late) {
  CHECK_EQ_INT(gaps.received, received);
  CHECK_EQ_INT(gaps.missing, missing);
  CHECK_EQ_INT(gaps.late, late);
}

TEST(messages_in_a_row_have_no_gap) {
  begin();
  for (enet_uint16 i = 1; i <= 100; i++) unreliable(0, 0, i);
  check(100, 0, 0);
}

TEST(a_gap_is_as_many_as_it_is_long) {
  begin();
  unreliable(0, 0, 3); /* where the first one seen is, is no gap */
  unreliable(0, 0, 4);
  unreliable(0, 0, 8);
  check(3, 3, 0);
}

TEST(numbers_begin_anew_with_each_reliable_message) {
  begin();
  unreliable(0, 7, 500);
  unreliable(0, 8, 1);
  unreliable(0, 9, 3);
  check(3, 2, 0);
}

TEST(reliable_numbers_wrap_around) {
  begin();
  unreliable(0, 65535, 1);
  unreliable(0, 0, 1);
  unreliable(0, 1, 2);
  check(3, 1, 0);
}

TEST(what_comes_late_stays_missing) {
  begin();
  unreliable(0, 1, 1);
  unreliable(0, 1, 3);
  unreliable(0, 1, 2);
  unreliable(0, 0, 9);
  check(2, 1, 2);
}

TEST(channels_have_numbers_of_their_own) {
  begin();
  for (enet_uint16 i = 1; i <= 10; i++)
    for (enet_uint8 channel = 0; channel < ENETJS_GAPS_CHANNELS; channel++) unreliable(channel, channel, i);
  check(10 * ENETJS_GAPS_CHANNELS, 0, 0);
}

/* Channels that share a place: nothing is invented. */
TEST(more_channels_than_are_followed_show_no_gaps) {
  begin();
  for (enet_uint16 i = 1; i <= 10; i++) {
    unreliable(0, 0, i);
    unreliable(ENETJS_GAPS_CHANNELS, 0, (enet_uint16)(1000 * i));
  }
  check(20, 0, 0);
}

TEST(a_message_in_fragments_counts_once) {
  begin();
  for (enet_uint16 start = 1; start <= 5; start++)
    for (enet_uint32 number = 0; number < 4; number++)
      if (start != 3) fragment(start, number);
  check(4, 1, 0);
}

TEST(unsequenced_messages_may_come_in_any_order) {
  begin();
  unsequenced(65534);
  unsequenced(65535);
  unsequenced(2);
  check(3, 2, 0);
  unsequenced(0);
  unsequenced(1);
  check(5, 0, 0);
}

/* A number that ENet never gives. */
TEST(number_zero_is_ignored) {
  begin();
  unreliable(0, 1, 1);
  unreliable(0, 2, 0);
  check(1, 0, 0);
}

TEST(the_share_is_that_of_the_last_seconds) {
  begin();
  for (enet_uint16 i = 1; i <= 100; i++) unreliable(0, 0, (enet_uint16)(2 * i));
  CHECK(enetjs_recent_share(&gaps.recent, now) > 0.49);
  now += ENETJS_RECENT_MS;
  for (enet_uint16 i = 201; i <= 300; i++) unreliable(0, 0, i);
  CHECK(enetjs_recent_share(&gaps.recent, now) > 0.3 && enetjs_recent_share(&gaps.recent, now) < 0.4);
  CHECK(enetjs_recent_share(&gaps.recent, now - 1) > 0.3); /* another clock, read a little earlier */
  now += ENETJS_RECENT_MS;
  CHECK(enetjs_recent_share(&gaps.recent, now) == 0);
  now += 100 * ENETJS_RECENT_MS;
  CHECK(enetjs_recent_share(&gaps.recent, now) == 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(messages_in_a_row_have_no_gap),
      TEST_CASE(a_gap_is_as_many_as_it_is_long),
      TEST_CASE(numbers_begin_anew_with_each_reliable_message),
      TEST_CASE(reliable_numbers_wrap_around),
      TEST_CASE(what_comes_late_stays_missing),
      TEST_CASE(channels_have_numbers_of_their_own),
      TEST_CASE(more_channels_than_are_followed_show_no_gaps),
      TEST_CASE(a_message_in_fragments_counts_once),
      TEST_CASE(unsequenced_messages_may_come_in_any_order),
      TEST_CASE(number_zero_is_ignored),
      TEST_CASE(the_share_is_that_of_the_last_seconds),
  };
  return test_run(cases, TEST_COUNT(cases));
}
