// SPDX-License-Identifier: GPL-3.0-or-later
// Tensor statistics at hand, newest use kept: a 70B model's channel vectors would fill a gigabyte. Not
// thread-safe.
#pragma once

#include "core/metrics/channel_stats.h"

#include <list>
#include <memory>
#include <unordered_map>

namespace qs::app {

class StatsCache {
public:
    explicit StatsCache(size_t maxBytes = size_t(256) << 20) : m_maxBytes(maxBytes) {}

    void clear();
    /// Drops what was not used for longest until everything fits; the new one always stays.
    void insert(int target, std::shared_ptr<const TensorStats> stats);
    /// Null when absent. Counts as a use.
    std::shared_ptr<const TensorStats> find(int target);
    size_t bytes() const { return m_bytes; }
    size_t size() const { return m_entries.size(); }

    static size_t bytesOf(const TensorStats& stats);

private:
    struct Entry {
        int target;
        std::shared_ptr<const TensorStats> stats;
        size_t bytes;
    };
    size_t m_maxBytes, m_bytes = 0;
    std::list<Entry> m_entries; ///< most recent first
    std::unordered_map<int, std::list<Entry>::iterator> m_where;
};

} // namespace qs::app
