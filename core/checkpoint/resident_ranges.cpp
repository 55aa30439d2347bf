// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/resident_ranges.h"

#include <deque>
#include <mutex>
#include <vector>

namespace qs {

namespace {

constexpr size_t kBudgetBytes = size_t(256) << 20;
constexpr size_t kSmall = size_t(64) << 10; ///< not worth remembering: gains, scales

struct Range {
    std::weak_ptr<const MappedFile> file;
    size_t offset, length;
};

struct Ranges {
    std::mutex mutex;
    std::deque<Range> list; ///< oldest first
    size_t bytes = 0;
};

Ranges& ranges() {
    static Ranges all;
    return all;
}

} // namespace

std::span<const std::byte> residentRange(const std::shared_ptr<const MappedFile>& file, size_t offset,
                                         size_t length) {
    const auto bytes = file->bytes().subspan(offset, length);
    if (length < kSmall) return bytes;
    std::vector<Range> old;
    {
        Ranges& r = ranges();
        const std::lock_guard lock(r.mutex);
        const auto isIt = [&](const Range& last) {
            return last.offset == offset && last.length == length && !last.file.owner_before(file) &&
                   !file.owner_before(last.file);
        };
        if (!r.list.empty() && isIt(r.list.back())) return bytes; // a tensor that is read in pieces
        r.list.push_back({file, offset, length});
        r.bytes += length;
        while (r.bytes > kBudgetBytes && r.list.size() > 1) {
            r.bytes -= r.list.front().length;
            old.push_back(std::move(r.list.front()));
            r.list.pop_front();
        }
    }
    for (const Range& range : old)
        if (const auto mapped = range.file.lock()) mapped->doneWith(range.offset, range.length);
    return bytes;
}

} // namespace qs
