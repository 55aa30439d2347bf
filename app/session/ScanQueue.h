// SPDX-License-Identifier: GPL-3.0-or-later
// Which tensor the weight scan reads next: what the user looks at first, then in model order. Thread-safe.
#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <vector>

namespace qs::app {

class ScanQueue {
public:
    explicit ScanQueue(size_t count) : m_taken(count, false) {}

    /// Replaces what was wanted before.
    void want(const std::vector<int>& targets) {
        const std::lock_guard lock(m_mutex);
        m_wanted.assign(targets.begin(), targets.end());
    }
    /// Measured elsewhere, or not readable.
    void skip(int target) {
        const std::lock_guard lock(m_mutex);
        take(target);
    }
    std::optional<int> next() {
        const std::lock_guard lock(m_mutex);
        while (!m_wanted.empty()) {
            const int t = m_wanted.front();
            m_wanted.pop_front();
            if (take(t)) return t;
        }
        for (; m_cursor < m_taken.size(); ++m_cursor)
            if (take(int(m_cursor))) return int(m_cursor++);
        return std::nullopt;
    }

private:
    bool take(int target) {
        if (target < 0 || size_t(target) >= m_taken.size() || m_taken[size_t(target)]) return false;
        m_taken[size_t(target)] = true;
        return true;
    }
    std::mutex m_mutex;
    std::deque<int> m_wanted;
    std::vector<char> m_taken;
    size_t m_cursor = 0;
};

} // namespace qs::app
