// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/StatsCache.h"

namespace qs::app {

size_t StatsCache::bytesOf(const TensorStats& s) {
    const auto channels = [](const ChannelStats& c) {
        size_t n = 0;
        for (const auto* v :
             {&c.min, &c.max, &c.absmax, &c.mean, &c.stddev, &c.kurtosis, &c.p50, &c.p99, &c.p999})
            n += v->capacity() * sizeof(float);
        return n;
    };
    return sizeof(TensorStats) + channels(s.output) + channels(s.input) +
           s.histogram.counts.capacity() * sizeof(uint64_t);
}

void StatsCache::clear() {
    m_entries.clear();
    m_where.clear();
    m_bytes = 0;
}

void StatsCache::insert(int target, std::shared_ptr<const TensorStats> stats) {
    if (const auto known = m_where.find(target); known != m_where.end()) {
        m_bytes -= known->second->bytes;
        m_entries.erase(known->second);
    }
    const size_t bytes = bytesOf(*stats);
    m_entries.push_front({target, std::move(stats), bytes});
    m_where[target] = m_entries.begin();
    m_bytes += bytes;
    while (m_bytes > m_maxBytes && m_entries.size() > 1) {
        m_bytes -= m_entries.back().bytes;
        m_where.erase(m_entries.back().target);
        m_entries.pop_back();
    }
}

std::shared_ptr<const TensorStats> StatsCache::find(int target) {
    const auto known = m_where.find(target);
    if (known == m_where.end()) return nullptr;
    m_entries.splice(m_entries.begin(), m_entries, known->second);
    return known->second->stats;
}

} // namespace qs::app
