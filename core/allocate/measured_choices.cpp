// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/measured_choices.h"

#include "core/allocate/hull.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

Result<std::optional<double>> MeasuredChoices::damage(const Choice& chosen) {
    if (const auto it = index_.find(chosen); it != index_.end())
        return std::optional(seen_[it->second].damage);
    if (left() == 0) return std::optional<double>();
    QS_CHECK(job_.checkpoint());
    job_.report(fmt::format("Measure choice {} of {}", seen_.size() + 1, measure_.evaluations),
                double(seen_.size()), double(measure_.evaluations));
    QS_TRY(const double damage, measure_.damage(chosen, job_.silent()));
    if (!std::isfinite(damage))
        return Error{ErrorCode::Backend, fmt::format("a choice was measured as {}", damage), {}};
    index_[chosen] = seen_.size();
    seen_.push_back({chosen, bytesOf(items_, chosen), damage});
    return std::optional(damage);
}

const MeasuredChoices::Seen* MeasuredChoices::best() const {
    const Seen* best = nullptr;
    for (const Seen& s : seen_)
        if (s.bytes <= budget_ && (!best || s.damage < best->damage)) best = &s;
    return best;
}

Allocation MeasuredChoices::allocation(const Choice& chosen) const {
    Allocation out{chosen, bytesOf(items_, chosen), costOf(items_, chosen)};
    uint64_t left = budget_;
    double relaxed = 0;
    for (const AllocatorItem& item : items_) {
        const AllocatorOption& o = item[smallestOption(item)];
        left -= o.bytes;
        relaxed += o.cost;
    }
    for (const HullStep& step : hullSteps(items_)) {
        const uint64_t part = std::min(left, step.bytes);
        relaxed -= step.rate() * double(part);
        left -= part;
        if (part < step.bytes) break;
    }
    out.bound = std::min(std::max(0.0, relaxed), out.cost);
    if (const auto it = index_.find(chosen); it != index_.end()) out.damage = seen_[it->second].damage;
    out.evaluations = seen_.size();
    return out;
}

ChoiceDraw::ChoiceDraw(std::span<const AllocatorItem> items, uint64_t budget, uint64_t seed)
    : items_(items), budget_(budget), random_(seed) {
    for (const AllocatorItem& item : items)
        ladder_.push_back(paretoOptions(item));
}

size_t ChoiceDraw::placeOf(size_t item, size_t option) const {
    const auto& ladder = ladder_[item];
    const auto at = std::ranges::find_if(
        ladder, [&](size_t k) { return items_[item][k].bytes >= items_[item][option].bytes; });
    return at == ladder.end() ? ladder.size() - 1 : size_t(at - ladder.begin());
}

void ChoiceDraw::mutate(Choice& chosen, double rate) {
    for (size_t i = 0; i < chosen.size(); ++i) {
        if (unit() >= rate) continue;
        const size_t at = placeOf(i, chosen[i]), last = ladder_[i].size() - 1;
        const bool up = at == 0 || (at < last && unit() < 0.5);
        chosen[i] = ladder_[i][up ? std::min(at + 1, last) : at - 1];
    }
}

void ChoiceDraw::fit(Choice& chosen) {
    uint64_t bytes = bytesOf(items_, chosen);
    while (bytes > budget_) {
        const size_t i = below(chosen.size()), at = placeOf(i, chosen[i]);
        if (at == 0 && chosen[i] == ladder_[i][0]) continue;
        const size_t next = ladder_[i][at == 0 ? 0 : at - 1];
        bytes = bytes - items_[i][chosen[i]].bytes + items_[i][next].bytes;
        chosen[i] = next;
    }
    // From an item drawn at random on: else the first ones would get all that is left.
    const size_t from = items_.empty() ? 0 : below(items_.size());
    for (size_t n = 0; n < items_.size(); ++n) {
        const size_t i = (from + n) % items_.size(), at = placeOf(i, chosen[i]);
        if (at + 1 == ladder_[i].size()) continue;
        const size_t next = ladder_[i][at + 1];
        const uint64_t after = bytes - items_[i][chosen[i]].bytes + items_[i][next].bytes;
        if (after > budget_) continue;
        bytes = after;
        chosen[i] = next;
    }
}

Choice ChoiceDraw::any() {
    Choice out;
    for (const auto& ladder : ladder_)
        out.push_back(ladder[below(ladder.size())]);
    fit(out);
    return out;
}

Result<void> measureStart(std::span<const AllocatorItem> items, uint64_t budget, size_t count,
                          ChoiceDraw& draw, MeasuredChoices& measured, const JobContext& job) {
    QS_TRY(const AllocatorDescriptor* exact, findAllocator("exact"));
    QS_TRY(const Allocation predicted, allocate(*exact, items, budget, job.silent()));
    QS_CHECK(measured.damage(predicted.chosen));
    constexpr int kMostDraws = 20; // small problems run out of choices
    for (size_t i = 1; i < count && measured.left() > 0; ++i) {
        // From near to far, and a few of no relation.
        for (int attempt = 0; attempt < kMostDraws; ++attempt) {
            Choice next = predicted.chosen;
            if (i % 4 == 3) {
                next = draw.any();
            } else {
                draw.mutate(next, 0.05 + 0.4 * double(i) / double(count));
                draw.fit(next);
            }
            if (measured.isKnown(next)) continue;
            QS_CHECK(measured.damage(next));
            break;
        }
    }
    return {};
}

} // namespace qs
