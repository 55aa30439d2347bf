// SPDX-License-Identifier: Apache-2.0
#include "core/model/aged_attention.h"

#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>
#include <set>

namespace qs {

namespace {

Result<Matrix> hostOf(const Tensor& x, Backend& backend) {
    Matrix host(x.rows, x.cols);
    QS_CHECK(backend.download(x, host.view()));
    return host;
}

Result<Tensor> deviceOf(const Matrix& x, Backend& backend) {
    Tensor out;
    QS_CHECK(backend.upload(x.view(), out));
    return out;
}

/// The cache as the steps change it, and what is read of it.
class AgingCache {
public:
    AgingCache(const KvRounder& cache, size_t windowLength, const RotateHeads& rotate, Backend& backend)
        : cache_(cache), windowLength_(windowLength), rotate_(rotate), backend_(backend) {}

    Result<void> begin(const Tensor& q, const Tensor& k, const Tensor& v) {
        QS_TRY(const Matrix plain, hostOf(q, backend_));
        QS_TRY(near_, deviceOf(plain, backend_));
        QS_CHECK(rotate_(near_, std::nullopt));
        if (cache_.windowed) {
            QS_TRY(far_, deviceOf(plain, backend_));
            QS_CHECK(rotate_(far_, cache_.windowed->position));
        }
        QS_TRY(keys_, hostOf(k, backend_));
        QS_TRY(values_, hostOf(v, backend_));
        if (cache_.beforeRotation) return {};
        QS_TRY(Tensor rotated, deviceOf(keys_, backend_));
        QS_CHECK(rotate_(rotated, std::nullopt));
        return backend_.download(rotated, keys_.view());
    }

    Result<void> apply(const KvRounder::Step& step) {
        QS_CHECK(cache_.round(step.keys.get(), windowLength_, keys_.view()));
        return cache_.round(step.values.get(), windowLength_, values_.view());
    }

    Result<AgedCache> readFrom(size_t age) const {
        const bool far = cache_.windowed && age >= cache_.windowed->window;
        AgedCache out{age, far ? far_ : near_, {}, {}};
        QS_TRY(out.k, deviceOf(keys_, backend_));
        QS_TRY(out.v, deviceOf(values_, backend_));
        if (cache_.beforeRotation) QS_CHECK(rotate_(out.k, far ? std::optional<size_t>(0) : std::nullopt));
        return out;
    }

private:
    const KvRounder& cache_;
    size_t windowLength_;
    const RotateHeads& rotate_;
    Backend& backend_;
    Tensor near_, far_; ///< queries
    Matrix keys_, values_;
};

/// One head of one context on the host.
struct HeadInput {
    ConstMatrixView q, k, v;
};

/// The same of BestTokens.
struct BestInput {
    size_t count = 0; ///< 0: all tokens, as `ages` have them
    ConstMatrixView q, k;
};

class HeadAttention {
public:
    HeadAttention(const AttentionShape& shape, std::span<const AgedCache> ages,
                  const ProbabilityVisitor& visit)
        : shape_(shape), ages_(ages), visit_(visit) {}

    /// out [T, d]; one entry of `inputs` per range of ages, bias [T] or null.
    Result<void> run(std::span<const HeadInput> inputs, const BestInput& best, const float* bias,
                     MatrixView out) const {
        const size_t n = out.rows;
        Matrix scores(n, n), part(n, n);
        for (size_t a = 0; a < inputs.size(); ++a) {
            linalg::gemm(false, true, shape_.scale, inputs[a].q, inputs[a].k, 0.0f, part.view());
            copyAges(a, part.view(), scores.view());
        }
        finish(bias, scores.view());
        if (best.count > 0) {
            linalg::gemm(false, true, shape_.scale, best.q, best.k, 0.0f, part.view());
            finish(bias, part.view());
            keepBest(best.count, part.view(), scores.view());
        }
        softmax(scores.view());
        if (visit_) QS_CHECK(visit_(scores.view()));
        for (size_t a = 0; a < inputs.size(); ++a) {
            std::fill_n(part.data(), part.size(), 0.0f);
            copyAges(a, scores.view(), part.view());
            linalg::gemm(false, false, 1.0f, part.view(), inputs[a].v, a == 0 ? 0.0f : 1.0f, out);
        }
        return {};
    }

private:
    /// The entries (i, j) whose age is of range `a`; without further ranges all.
    void copyAges(size_t a, ConstMatrixView from, MatrixView to) const {
        for (size_t i = 0; i < from.rows; ++i) {
            size_t first = 0, end = from.cols;
            if (ages_.size() > 1) {
                end = i + 1 > ages_[a].fromAge ? i + 1 - ages_[a].fromAge : 0;
                if (a + 1 < ages_.size())
                    first = i + 1 > ages_[a + 1].fromAge ? i + 1 - ages_[a + 1].fromAge : 0;
            }
            if (first < end) std::copy(from.row(i) + first, from.row(i) + end, to.row(i) + first);
        }
    }

    /// Tokens that query i reads.
    std::pair<size_t, size_t> readBy(size_t i, size_t tokens) const {
        return {shape_.reach > 0 && i + 1 > shape_.reach ? i + 1 - shape_.reach : 0,
                shape_.causal ? i + 1 : tokens};
    }

    /// Soft cap and bias; what is not read becomes minus infinity.
    void finish(const float* bias, MatrixView scores) const {
        for (size_t i = 0; i < scores.rows; ++i) {
            const auto [first, end] = readBy(i, scores.cols);
            float* row = scores.row(i);
            for (size_t j = first; j < end; ++j) {
                if (shape_.softCap > 0) row[j] = shape_.softCap * std::tanh(row[j] / shape_.softCap);
                if (bias) row[j] += bias[j];
            }
            std::fill(row, row + first, -INFINITY);
            std::fill(row + end, row + scores.cols, -INFINITY);
        }
    }

    /// Into `scores` those of `exact`, of the `count` highest of each row; the others become minus infinity.
    void keepBest(size_t count, ConstMatrixView exact, MatrixView scores) const {
        std::vector<size_t> order;
        for (size_t i = 0; i < scores.rows; ++i) {
            const auto [first, end] = readBy(i, scores.cols);
            float* row = scores.row(i);
            order.resize(end - first);
            std::iota(order.begin(), order.end(), first);
            const size_t kept = std::min(count, order.size());
            std::partial_sort(
                order.begin(), order.begin() + ptrdiff_t(kept), order.end(),
                [row](size_t a, size_t b) { return row[a] != row[b] ? row[a] > row[b] : a > b; });
            std::fill(row, row + scores.cols, -INFINITY);
            for (size_t n = 0; n < kept; ++n)
                row[order[n]] = exact(i, order[n]);
        }
    }

    static void softmax(MatrixView scores) {
        for (size_t i = 0; i < scores.rows; ++i) {
            float* row = scores.row(i);
            const float top = *std::max_element(row, row + scores.cols);
            double sum = 0;
            for (size_t j = 0; j < scores.cols; ++j)
                sum += double(row[j] = std::exp(row[j] - top));
            for (size_t j = 0; j < scores.cols; ++j)
                row[j] = float(double(row[j]) / sum);
        }
    }

    const AttentionShape& shape_;
    std::span<const AgedCache> ages_;
    const ProbabilityVisitor& visit_;
};

struct HostCache {
    Matrix q, k, v;
};

} // namespace

Result<std::vector<AgedCache>> ageCache(const KvRounder& cache, size_t windowLength, const Tensor& q,
                                        const Tensor& k, const Tensor& v, const RotateHeads& rotate,
                                        Backend& backend) {
    std::set<size_t> from = {0};
    for (const KvRounder::Step& s : cache.steps)
        from.insert(s.fromAge);
    if (cache.windowed) from.insert(cache.windowed->window);
    AgingCache state(cache, windowLength, rotate, backend);
    QS_CHECK(state.begin(q, k, v));
    std::vector<AgedCache> out;
    size_t step = 0;
    for (const size_t age : from) {
        if (age >= windowLength) break;
        for (; step < cache.steps.size() && cache.steps[step].fromAge <= age; ++step)
            QS_CHECK(state.apply(cache.steps[step]));
        QS_TRY(AgedCache read, state.readFrom(age));
        out.push_back(std::move(read));
    }
    return out;
}

Result<void> agedAttention(std::span<const AgedCache> ages, const AttentionShape& shape,
                           const ProbabilityVisitor& visit, Backend& backend, Tensor& out,
                           const BestTokens* best) {
    std::vector<HostCache> host;
    for (const AgedCache& a : ages) {
        HostCache h;
        QS_TRY(h.q, hostOf(a.q, backend));
        QS_TRY(h.k, hostOf(a.k, backend));
        QS_TRY(h.v, hostOf(a.v, backend));
        host.push_back(std::move(h));
    }
    Matrix bias, mixed(out.rows, out.cols);
    HostCache exact;
    if (best) {
        QS_TRY(exact.q, hostOf(best->q, backend));
        QS_TRY(exact.k, hostOf(best->k, backend));
    }
    if (shape.keyBias.buffer) {
        QS_TRY(bias, hostOf(shape.keyBias, backend));
    }
    const size_t n = shape.windowLength, d = out.cols / shape.heads, windows = out.rows / n;
    const HeadAttention head(shape, ages, visit);
    std::mutex mutex;
    Result<void> done;
    linalg::parallelFor(windows * shape.heads, 1, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
            const size_t first = i / shape.heads * n, h = i % shape.heads,
                         kv = h * shape.kvHeads / shape.heads;
            std::vector<HeadInput> inputs;
            for (const HostCache& c : host)
                inputs.push_back({c.q.view().block(first, n, h * d, d), c.k.view().block(first, n, kv * d, d),
                                  c.v.view().block(first, n, kv * d, d)});
            BestInput alone;
            if (best)
                alone = {best->count, exact.q.view().block(first, n, h * d, d),
                         exact.k.view().block(first, n, kv * d, d)};
            auto one = head.run(inputs, alone, bias.empty() ? nullptr : bias.row(h),
                                mixed.view().block(first, n, h * d, d));
            if (one) continue;
            const std::lock_guard lock(mutex);
            done = std::move(one);
        }
    });
    if (!done) return done.takeError();
    return backend.upload(std::as_const(mixed).view(), out);
}

} // namespace qs
