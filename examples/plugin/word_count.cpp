/*
 * A plugin in C++ that counts words. A message is text; the answer is a line for each word that occurs
 * most, with its number: "the 3". README.md in this folder explains plugins.
 *
 *     g++ -std=c++17 -shared -fPIC -O2 -I native/include -o word_count.so examples/plugin/word_count.cpp
 *
 * An exception must not leave a function of a plugin: the library is C, and the process would end.
 */
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "enetjs_plugin.h"

namespace {

/* Each channel has one, so that several can use the plugin at once. */
class Counter {
 public:
  Counter(const enetjs_plugin_library *library, enetjs_plugin_channel *channel, std::size_t most)
      : library_(library), channel_(channel), most_(most) {}

  void add(const std::string &text) {
    std::string word;
    for (unsigned char c : text + ' ') {
      if (std::isalnum(c)) {
        word += static_cast<char>(std::tolower(c));
      } else if (!word.empty()) {
        ++counts_[std::exchange(word, {})];
      }
    }
  }

  /* Waits for room in the channel; when the channel is closing there is nobody to answer. */
  void answer() const {
    const std::string text = lines();
    library_->send(channel_, text.data(), text.size(), -1);
  }

 private:
  std::string lines() const {
    std::vector<std::pair<std::string, unsigned>> sorted(counts_.begin(), counts_.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](auto &a, auto &b) { return a.second > b.second; });
    if (sorted.size() > most_) sorted.resize(most_);
    std::string text;
    for (auto &[word, count] : sorted) text += word + ' ' + std::to_string(count) + '\n';
    return text;
  }

  const enetjs_plugin_library *library_;
  enetjs_plugin_channel *channel_;
  std::size_t most_;
  std::map<std::string, unsigned> counts_;
};

int initialize(const enetjs_plugin_library *library, enetjs_plugin_channel *channel, const uint8_t *configuration,
               size_t length, void **state) {
  try {
    const std::string most(reinterpret_cast<const char *>(configuration), length);
    *state = std::make_unique<Counter>(library, channel, most.empty() ? 10 : std::stoul(most)).release();
    return 0;
  } catch (const std::exception &error) {
    library->explain(channel, error.what());
    return 1;
  }
}

void shutdown(void *state) { delete static_cast<Counter *>(state); }

void process_message(void *state, const uint8_t *data, size_t length) {
  auto *counter = static_cast<Counter *>(state);
  try {
    counter->add(std::string(reinterpret_cast<const char *>(data), length));
    counter->answer();
  } catch (const std::exception &) {
    /* Out of memory: this message is not answered. */
  }
}

/* Before C++20 the members are given in their order. */
const enetjs_plugin plugin = {
    ENETJS_PLUGIN_ABI_VERSION, 0 /* no updates */, initialize, shutdown, process_message, nullptr, "word count", "1.0.0",
};

}  // namespace

const enetjs_plugin *enetjs_plugin_interface() { return &plugin; }
