/* What a thread's sleep is on every system; sleeper.h tells what for. */
#include "base/sleeper.h"

bool enetjs_sleeper_earlier(const struct enetjs_sleeper *s, int wait) {
  return wait >= 0 && (!s->has_deadline || enetjs_now_ms() + (uint64_t)wait < s->until);
}

void enetjs_sleeper_note_deadline(struct enetjs_sleeper *s, int wait) {
  s->has_deadline = wait >= 0;
  s->until = enetjs_now_ms() + (uint64_t)wait;
}
