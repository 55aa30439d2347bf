// SPDX-License-Identifier: Apache-2.0
#include "core/run/base_search.h"

#include "core/recipe/plan_rules.h"

#include <algorithm>

namespace qs {

namespace {
constexpr int kMostBase = 148, kStep = 2;
}

Result<std::unique_ptr<BaseSearch>> BaseSearch::create(const InputScheme& format) {
    std::unique_ptr<BaseSearch> out(new BaseSearch);
    out->own_ = int(format.codecParams.integer("base"));
    for (int base = kStep; base <= kMostBase; base += kStep)
        if (const RowChoice choice{.base = base};
            auto rounder = rounderOf(format, &choice)) // else its values would leave the range of float32
            out->candidates_.push_back({base, std::move(*rounder)});
    if (out->candidates_.empty()) return Error::invalid("the format can have no base that is searched");
    return out;
}

Result<void> BaseSearch::add(ConstMatrixView rows, std::span<const double> importance) {
    std::vector<double> errors;
    Matrix rounded(rows.rows, rows.cols);
    for (const Candidate& c : candidates_) {
        for (size_t r = 0; r < rows.rows; ++r)
            std::copy_n(rows.row(r), rows.cols, rounded.row(r));
        QS_CHECK(c.rounder->round(rounded.view()));
        double sum = 0;
        for (size_t r = 0; r < rows.rows; ++r)
            for (size_t i = 0; i < rows.cols; ++i) {
                const double e = double(rounded(r, i)) - double(rows(r, i));
                sum += e * e * (importance.empty() ? 1.0 : importance[i]);
            }
        errors.push_back(sum);
    }
    const std::lock_guard lock(mutex_);
    seen_ = true;
    for (size_t i = 0; i < candidates_.size(); ++i)
        candidates_[i].error += errors[i];
    return {};
}

int BaseSearch::best() const {
    const std::lock_guard lock(mutex_);
    if (!seen_) return own_;
    return std::min_element(candidates_.begin(), candidates_.end(),
                            [](const auto& a, const auto& b) { return a.error < b.error; })
        ->base;
}

} // namespace qs
