// SPDX-License-Identifier: Apache-2.0
#include "core/run/log_search.h"

#include "core/recipe/plan_rules.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace qs {

namespace {

/// In steps: bases of 1 / 74, ranges of 1 / 80, shares of 1 / 64; no share: with a sign.
struct Point {
    int base = 0, range = 0;
    std::optional<int> share;
    auto operator<=>(const Point&) const = default;
};

constexpr int kMostBase = 148, kRangeUnit = 80, kMostRange = 96, kShareUnit = 64, kKept = 4;
/// Of one refinement; the first is that of the coarse grid.
struct Steps {
    int base, range, share;
};
constexpr Steps kSteps[] = {{8, 16, 16}, {4, 8, 8}, {2, 4, 4}};

class LogSearch {
public:
    LogSearch(const InputScheme& format, ConstMatrixView rows, std::span<const double> importance)
        : format_(format), rows_(rows), importance_(importance), rounded_(rows.rows, rows.cols) {
        for (size_t r = 0; r < rows.rows; ++r)
            for (size_t c = 0; c < rows.cols; ++c)
                deepest_ = std::max(deepest_, -rows(r, c));
    }

    Result<RowChoice> run(const JobContext& job) {
        const Point own{int(format_.codecParams.integer("base")), kRangeUnit, std::nullopt};
        QS_CHECK(add(own));
        QS_CHECK(addGrid(kSteps[0], job));
        for (size_t i = 1; i < std::size(kSteps); ++i)
            for (const Point& p : best(kKept))
                QS_CHECK(addAround(p, kSteps[i], job));
        return choiceOf(best(1).front());
    }

private:
    RowChoice choiceOf(const Point& p) const {
        RowChoice c{.base = p.base};
        c.adjust.range = float(p.range) / kRangeUnit;
        c.noSign = p.share.has_value();
        if (p.share) c.adjust.shift = deepest_ * float(*p.share) / kShareUnit;
        return c;
    }

    Result<void> addGrid(const Steps& step, const JobContext& job) {
        for (int base = step.base; base <= kMostBase; base += step.base)
            for (int range = step.range; range <= kMostRange; range += step.range) {
                QS_CHECK(job.checkpoint());
                QS_CHECK(add({base, range, std::nullopt}));
                for (int share = 0; share <= kShareUnit; share += step.share)
                    QS_CHECK(add({base, range, share}));
            }
        return {};
    }

    Result<void> addAround(const Point& p, const Steps& step, const JobContext& job) {
        for (const int base : {-step.base, 0, step.base})
            for (const int range : {-step.range, 0, step.range})
                for (const int share : {-step.share, 0, step.share}) {
                    QS_CHECK(job.checkpoint());
                    Point next{p.base + base, p.range + range, p.share};
                    if (p.share) next.share = *p.share + share;
                    QS_CHECK(add(next));
                }
        return {};
    }

    Result<void> add(const Point& p) {
        const bool inside = p.base > 0 && p.base <= kMostBase && p.range > 0 && p.range <= kMostRange &&
                            (!p.share || (*p.share >= 0 && *p.share <= kShareUnit));
        if (!inside || errors_.count(p)) return {};
        const RowChoice choice = choiceOf(p);
        const auto rounder = rounderOf(format_, &choice);
        if (!rounder) return {}; // its values would leave the range of float32
        for (size_t r = 0; r < rows_.rows; ++r)
            std::copy_n(rows_.row(r), rows_.cols, rounded_.row(r));
        QS_CHECK((*rounder)->round(rounded_.view()));
        double sum = 0;
        for (size_t r = 0; r < rows_.rows; ++r)
            for (size_t c = 0; c < rows_.cols; ++c) {
                const double e = double(rounded_(r, c)) - double(rows_(r, c));
                sum += e * e * (importance_.empty() ? 1.0 : importance_[c]);
            }
        errors_[p] = sum;
        return {};
    }

    /// At most `count` points, the least error first.
    std::vector<Point> best(size_t count) const {
        std::vector<std::pair<double, Point>> all;
        for (const auto& [point, error] : errors_)
            all.emplace_back(error, point);
        std::stable_sort(all.begin(), all.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
        std::vector<Point> out;
        for (size_t i = 0; i < std::min(count, all.size()); ++i)
            out.push_back(all[i].second);
        return out;
    }

    const InputScheme& format_;
    ConstMatrixView rows_;
    std::span<const double> importance_;
    Matrix rounded_;
    float deepest_ = 0;
    std::map<Point, double> errors_;
};

} // namespace

Result<RowChoice> searchLogGrid(const InputScheme& format, ConstMatrixView rows,
                                std::span<const double> importance, const JobContext& job) {
    return LogSearch(format, rows, importance).run(job);
}

} // namespace qs
