// SPDX-License-Identifier: Apache-2.0
// A model's damage with terms of pairs, as a stand-in for running one.
#pragma once

#include "core/allocate/hull.h"
#include "tests/unit/allocator/knapsack.h"

namespace qs::test {

/// damage = sum_i a_i c_i + sum_i b_i sqrt(c_i c_i+1), c the costs of the options: factors that the costs do
/// not tell, and neighbours that make each other worse.
class PairedDamage {
public:
    PairedDamage(const std::vector<AllocatorItem>& items, std::mt19937_64& random) : items_(items) {
        for (size_t i = 0; i < items.size(); ++i) {
            const double u = double(random() >> 11) * 0x1p-53, v = double(random() >> 11) * 0x1p-53;
            own_.push_back(std::exp(2 * u - 1));
            pair_.push_back(v);
        }
    }
    double operator()(std::span<const size_t> chosen) const {
        const auto cost = [&](size_t i) { return items_[i][chosen[i]].cost; };
        double sum = 0;
        for (size_t i = 0; i < items_.size(); ++i) {
            sum += own_[i] * cost(i);
            if (i + 1 < items_.size()) sum += pair_[i] * std::sqrt(cost(i) * cost(i + 1));
        }
        return sum;
    }

private:
    const std::vector<AllocatorItem>& items_;
    std::vector<double> own_, pair_;
};

/// The highest rung of the options worth having that all items can take together.
inline std::vector<size_t> uniformWithin(const std::vector<AllocatorItem>& items, uint64_t budget) {
    std::vector<size_t> best;
    for (size_t fromTop = 8; fromTop-- > 0;) {
        std::vector<size_t> chosen;
        for (const AllocatorItem& item : items) {
            const auto ladder = paretoOptions(item);
            chosen.push_back(ladder[ladder.size() - 1 - std::min(fromTop, ladder.size() - 1)]);
        }
        if (bytesOf(items, chosen) <= budget) best = chosen;
    }
    return best;
}

/// What every allocator that measures keeps to, on some problems; better(damage, that of the exact allocation
/// of the costs, that of the best uniform choice) is asked of
/// each.
template<class Better>
void checkSearch(const char* id, Better better) {
    const AllocatorDescriptor& allocator = **findAllocator(id);
    QVERIFY(allocator.measures());
    std::mt19937_64 random(41);
    for (int turn = 0; turn < 6; ++turn) {
        const auto items = randomItems(12, 4, random);
        const uint64_t least = leastBytes(items), most = mostBytes(items);
        const uint64_t budget = least + (most - least) * (10 + random() % 60) / 100;
        const PairedDamage damage(items, random);
        size_t calls = 0;
        ChoiceMeasure measure;
        measure.evaluations = 80;
        measure.seed = 7;
        measure.damage = [&](std::span<const size_t> chosen, const JobContext&) -> Result<double> {
            ++calls;
            return damage(chosen);
        };
        const auto a = allocate(allocator, items, budget, {}, &measure);
        QS_VERIFY_OK(a);
        checkSums(items, budget, *a);
        if (QTest::currentTestFailed()) return;
        QVERIFY(calls <= measure.evaluations);
        QCOMPARE(a->evaluations, calls);
        QCOMPARE(a->damage, damage(a->chosen));
        const auto again = allocate(allocator, items, budget, {}, &measure);
        QCOMPARE(again->chosen, a->chosen);
        const auto exact = allocate(**findAllocator("exact"), items, budget, {});
        better(a->damage, damage(exact->chosen), damage(uniformWithin(items, budget)));
        if (QTest::currentTestFailed()) return;
        // With next to nothing to measure there still is a choice within the budget.
        for (const size_t few : {1, 2, 5}) {
            measure.evaluations = few;
            calls = 0;
            const auto b = allocate(allocator, items, budget, {}, &measure);
            QS_VERIFY_OK(b);
            checkSums(items, budget, *b);
            QVERIFY(calls <= few);
        }
    }
}

/// Nothing to measure with, cancelling, errors of the measurement, and problems without a choice.
inline void checkSearchEdges(const char* id) {
    const AllocatorDescriptor& allocator = **findAllocator(id);
    const std::vector<AllocatorItem> items = {{{4, 5}, {6, 1}}, {{4, 3}, {6, 2}}}, one = {{{4, 5}}};
    const auto none = allocate(allocator, items, 10, {});
    QVERIFY(!none && none.error().message.find("runs the model") != std::string::npos);
    ChoiceMeasure measure;
    measure.evaluations = 10;
    std::stop_source stop;
    size_t calls = 0;
    measure.damage = [&](std::span<const size_t> chosen, const JobContext&) -> Result<double> {
        if (++calls == 1) stop.request_stop();
        return double(chosen[0]);
    };
    const auto stopped = allocate(allocator, items, 10, JobContext(stop.get_token()), &measure);
    QVERIFY(!stopped && stopped.error().code == ErrorCode::Cancelled);
    const auto single = allocate(allocator, one, 4, {}, &measure);
    QS_VERIFY_OK(single);
    QCOMPARE(single->chosen, (std::vector<size_t>{0}));
    measure.damage = [](std::span<const size_t>, const JobContext&) -> Result<double> {
        return Error::invalid("broken");
    };
    const auto broken = allocate(allocator, items, 10, {}, &measure);
    QVERIFY(!broken && broken.error().message == "broken");
    measure.damage = [](std::span<const size_t>, const JobContext&) -> Result<double> { return NAN; };
    QVERIFY(!allocate(allocator, items, 10, {}, &measure));
}

} // namespace qs::test
