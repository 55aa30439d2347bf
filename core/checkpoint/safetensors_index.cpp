// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/safetensors_index.h"

#include "core/checkpoint/json_scanner.h"
#include "core/checkpoint/name_index.h"

#include <fmt/format.h>
#include <map>

namespace qs {

namespace {

constexpr int kMaxSkippedDepth = 16;

bool plainFileName(std::string_view name) {
    constexpr std::string_view forbidden("/\\\0", 3);
    return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
           name.find_first_of(forbidden) == name.npos;
}

class IndexParser {
public:
    explicit IndexParser(std::string_view text) : scan_(text) {}

    bool parse() {
        if (!scan_.expect('{')) return false;
        bool seen = false;
        if (!scan_.consume('}')) {
            do {
                std::string_view key;
                if (!scan_.readString(key)) return false;
                const bool wanted = key == "weight_map";
                if (wanted && seen) return scan_.fail("weight_map is there twice");
                seen = seen || wanted;
                if (!scan_.expect(':')) return false;
                if (!(wanted ? readMap() : scan_.skipValue(kMaxSkippedDepth))) return false;
            } while (scan_.more('}'));
        }
        if (scan_.failed()) return false;
        if (!scan_.atEnd()) return scan_.fail("something follows the JSON object");
        if (!seen) return scan_.fail("weight_map is missing");
        return !out_.entries.empty() || scan_.fail("weight_map is empty");
    }

    SafetensorsIndex take() { return std::move(out_); }
    const JsonScanner& scanner() const { return scan_; }

private:
    bool readMap() {
        if (!scan_.expect('{')) return false;
        if (scan_.consume('}')) return true;
        do {
            std::string_view view;
            if (!scan_.readString(view)) return false;
            SafetensorsIndex::Entry e{std::string(view), 0};
            if (!scan_.expect(':') || !scan_.readString(view)) return false;
            if (!plainFileName(view))
                return scan_.fail(
                    fmt::format("weight_map: tensor '{}': '{}' is not a plain file name", e.tensor, view));
            e.shard = shardNumber(view);
            out_.entries.push_back(std::move(e));
        } while (scan_.more('}'));
        return !scan_.failed();
    }

    uint32_t shardNumber(std::string_view name) {
        const auto it = numbers_.find(name);
        if (it != numbers_.end()) return it->second;
        const uint32_t n = uint32_t(out_.shards.size());
        out_.shards.emplace_back(name);
        numbers_.emplace(name, n);
        return n;
    }

    JsonScanner scan_;
    SafetensorsIndex out_;
    std::map<std::string, uint32_t, std::less<>> numbers_;
};

} // namespace

Result<SafetensorsIndex> parseSafetensorsIndex(std::string_view text, const std::string& where) {
    if (const size_t bad = findBadUtf8(text); bad != text.npos)
        return Error::corrupt(fmt::format("not UTF-8 at byte {}", bad), where);
    IndexParser parser(text);
    if (!parser.parse()) return parser.scanner().error(where);
    SafetensorsIndex index = parser.take();
    std::vector<std::string_view> names;
    names.reserve(index.entries.size());
    for (const auto& e : index.entries)
        names.push_back(e.tensor);
    if (const size_t i = NameIndex(std::move(names)).duplicate().second; i != NameIndex::npos)
        return Error::corrupt(fmt::format("tensor '{}' is there twice", index.entries[i].tensor),
                              where + ": weight_map");
    return index;
}

} // namespace qs
