// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/name_index.h"

#include <algorithm>
#include <functional>

namespace qs {

NameIndex::NameIndex(std::vector<std::string_view> names) : names_(std::move(names)) {
    slots_.reserve(names_.size());
    const std::hash<std::string_view> hash;
    for (size_t i = 0; i < names_.size(); ++i)
        slots_.push_back({hash(names_[i]), i});
    std::sort(slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) { return a.hash < b.hash; });
    for (auto run = slots_.begin(); run != slots_.end();) {
        auto end = run + 1;
        while (end != slots_.end() && end->hash == run->hash)
            ++end;
        if (end - run > 1)
            std::sort(run, end, [this](const Slot& a, const Slot& b) {
                const int order = names_[a.position].compare(names_[b.position]);
                return order != 0 ? order < 0 : a.position < b.position;
            });
        run = end;
    }
}

size_t NameIndex::find(std::string_view name) const {
    const uint64_t hash = std::hash<std::string_view>()(name);
    const auto it = std::lower_bound(slots_.begin(), slots_.end(), hash, [&](const Slot& s, uint64_t h) {
        return s.hash != h ? s.hash < h : names_[s.position] < name;
    });
    const bool found = it != slots_.end() && it->hash == hash && names_[it->position] == name;
    return found ? it->position : npos;
}

std::pair<size_t, size_t> NameIndex::duplicate() const {
    for (size_t i = 1; i < slots_.size(); ++i)
        if (slots_[i].hash == slots_[i - 1].hash &&
            names_[slots_[i].position] == names_[slots_[i - 1].position])
            return {slots_[i - 1].position, slots_[i].position};
    return {npos, npos};
}

} // namespace qs
