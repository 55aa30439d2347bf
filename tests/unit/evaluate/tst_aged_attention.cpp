// SPDX-License-Identifier: Apache-2.0
// Attention that reads tokens differently as they age, against plain loops.
#include "core/model/aged_attention.h"
#include "core/recipe/recipe.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <complex>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;

class AgedAttention : public QObject {
    Q_OBJECT
    std::unique_ptr<Backend> m_backend = makeCpuBackend();
    static constexpr size_t kWindow = 24, kWindows = 2, kHeads = 4, kKvHeads = 2, kDim = 32;

    static Matrix values(size_t cols, int seed) {
        Matrix m(kWindows * kWindow, cols);
        for (size_t i = 0; i < m.size(); ++i)
            m.data()[i] =
                float(std::sin(double(i) * 0.61 + seed) * (0.4 + double((i * 7 + size_t(seed)) % 5) / 4));
        return m;
    }
    Tensor onDevice(const Matrix& m) {
        Tensor t;
        if (!m_backend->upload(m.view(), t)) qFatal("upload");
        return t;
    }
    Matrix host(const Tensor& t) {
        Matrix m(t.rows, t.cols);
        if (!m_backend->download(t, m.view())) qFatal("download");
        return m;
    }
    /// Asymmetric integers over 32 values at a time.
    static void roundPlainly(float* x, int top) {
        float lo = 0, hi = 0;
        for (size_t i = 0; i < 32; ++i) {
            lo = std::min(lo, x[i]);
            hi = std::max(hi, x[i]);
        }
        const float s = halfToFloat(floatToHalf((hi - lo) / float(top))), z = std::nearbyint(-lo / s);
        for (size_t i = 0; i < 32; ++i)
            x[i] = s * (std::clamp(std::nearbyint(x[i] / s) + z, 0.0f, float(top)) - z);
    }
    static Matrix roundedRows(const Matrix& x, size_t exact, int top) {
        Matrix out = x.clone();
        for (size_t t = 0; t < out.rows(); ++t)
            for (size_t c = 0; t % kWindow >= exact && c < out.cols(); c += 32)
                roundPlainly(out.row(t) + c, top);
        return out;
    }
    static bool close(const Matrix& a, const Matrix& b, float tolerance) {
        if (a.rows() != b.rows() || a.cols() != b.cols()) return false;
        for (size_t i = 0; i < a.size(); ++i)
            if (!(std::fabs(a.data()[i] - b.data()[i]) <= tolerance)) return false;
        return true;
    }
    static size_t rangeOf(size_t age, const std::vector<size_t>& from) {
        size_t n = 0;
        while (n + 1 < from.size() && from[n + 1] <= age)
            ++n;
        return n;
    }
    static AttentionShape shape() {
        AttentionShape s;
        s.heads = kHeads;
        s.kvHeads = kKvHeads;
        s.windowLength = kWindow;
        s.scale = 0.3f;
        return s;
    }
    static KvRounder rounder(const std::string& format,
                             const nlohmann::json& more = nlohmann::json::object()) {
        auto object = KvScheme::preset(format)->toJson();
        object.update(more);
        const auto scheme =
            KvScheme::fromJson(nlohmann::json::parse(object.dump()), "test"); // as from a file
        if (!scheme) qFatal("%s", scheme.error().describe().c_str());
        return **kvRounder(*scheme);
    }
    static Result<void> keep(Tensor&, std::optional<size_t>) { return {}; }

    /// By definition, in double precision. score(head, i, j); k and v by range of ages.
    template<class Score>
    static Matrix plainly(const AttentionShape& s, const std::vector<size_t>& from,
                          const std::vector<Matrix>& v, const Score& score) {
        Matrix out(kWindows * kWindow, kHeads * kDim);
        for (size_t row = 0; row < out.rows(); ++row)
            for (size_t h = 0; h < kHeads; ++h) {
                const size_t i = row % kWindow, first = row - i;
                std::vector<double> p(i + 1, 0.0);
                double sum = 0;
                for (size_t j = 0; j <= i; ++j) {
                    if (s.reach > 0 && i - j >= s.reach) continue;
                    double x = double(s.scale) * score(h, first + i, first + j);
                    if (s.softCap > 0) x = double(s.softCap) * std::tanh(x / double(s.softCap));
                    sum += p[j] = std::exp(x);
                }
                for (size_t j = 0; j <= i; ++j)
                    for (size_t c = 0; c < kDim; ++c)
                        out(row, h * kDim + c) +=
                            float(p[j] / sum * double(v[rangeOf(i - j, from)](first + j, h / 2 * kDim + c)));
            }
        return out;
    }

private slots:
    void readsByAge_data() {
        QTest::addColumn<float>("cap");
        QTest::addColumn<int>("reach");
        QTest::newRow("plain") << 0.0f << 0;
        QTest::newRow("capped") << 1.5f << 0;
        QTest::newRow("sliding") << 0.0f << 7;
    }
    void readsByAge() {
        QFETCH(float, cap);
        QFETCH(int, reach);
        AttentionShape s = shape();
        s.softCap = cap;
        s.reach = size_t(reach);
        const std::vector<size_t> from = {0, 1, 5, 17};
        std::vector<Matrix> q, k, v;
        std::vector<AgedCache> ages;
        for (size_t a = 0; a < from.size(); ++a) {
            q.push_back(values(kHeads * kDim, int(a)));
            k.push_back(values(kKvHeads * kDim, 10 + int(a)));
            v.push_back(values(kKvHeads * kDim, 20 + int(a)));
            ages.push_back({from[a], onDevice(q[a]), onDevice(k[a]), onDevice(v[a])});
        }
        Tensor out = *m_backend->allocate(kWindows * kWindow, kHeads * kDim);
        QS_VERIFY_OK(agedAttention(ages, s, {}, *m_backend, out));
        const Matrix expected = plainly(s, from, v, [&](size_t h, size_t i, size_t j) {
            const size_t a = rangeOf(i - j, from);
            double dot = 0;
            for (size_t c = 0; c < kDim; ++c)
                dot += double(q[a](i, h * kDim + c)) * double(k[a](j, h / 2 * kDim + c));
            return dot;
        });
        QVERIFY(close(host(out), expected, 1e-5f));
        // One range is plain attention.
        Tensor one = *m_backend->allocate(kWindows * kWindow, kHeads * kDim), same = out;
        same = *m_backend->allocate(kWindows * kWindow, kHeads * kDim);
        QS_VERIFY_OK(agedAttention({ages.data(), 1}, s, {}, *m_backend, one));
        QS_VERIFY_OK(m_backend->attention(ages[0].q, ages[0].k, ages[0].v, s, same));
        QVERIFY(close(host(one), host(same), 1e-5f));
    }

    /// Bits fall with age, each step rounding what the one before left; first tokens stay.
    void staircase() {
        const Matrix q = values(kHeads * kDim, 1), k = values(kKvHeads * kDim, 2),
                     v = values(kKvHeads * kDim, 3);
        const auto ages = ageCache(rounder("int8@3,int4@9,int2", {{"exact_tokens", 2}}), kWindow, onDevice(q),
                                   onDevice(k), onDevice(v), keep, *m_backend);
        QS_VERIFY_OK(ages);
        QCOMPARE(ages->size(), size_t(3));
        Matrix keys = k.clone(), rows = v.clone();
        const size_t from[] = {0, 3, 9};
        const int tops[] = {255, 15, 3};
        for (size_t a = 0; a < 3; ++a) {
            keys = roundedRows(keys, 2, tops[a]);
            rows = roundedRows(rows, 2, tops[a]);
            QCOMPARE((*ages)[a].fromAge, from[a]);
            QVERIFY(close(host((*ages)[a].q), q, 0));
            QVERIFY(close(host((*ages)[a].k), keys, 1e-5f));
            QVERIFY(close(host((*ages)[a].v), rows, 1e-5f));
        }
        // What is older than a context is never read.
        const auto young = ageCache(rounder("int8@3,int4@24,int2"), kWindow, onDevice(q), onDevice(k),
                                    onDevice(v), keep, *m_backend);
        QS_VERIFY_OK(young);
        QCOMPARE(young->size(), size_t(2));
    }

    void pastOnly() {
        const Matrix q = values(kHeads * kDim, 1), k = values(kKvHeads * kDim, 2),
                     v = values(kKvHeads * kDim, 3);
        const KvRounder past = rounder("int4", {{"past_only", true}});
        QVERIFY(past.dependsOnQuery() && !rounder("int4").dependsOnQuery());
        const auto ages = ageCache(past, kWindow, onDevice(q), onDevice(k), onDevice(v), keep, *m_backend);
        QS_VERIFY_OK(ages);
        QCOMPARE(ages->size(), size_t(2));
        QCOMPARE((*ages)[1].fromAge, size_t(1));
        QVERIFY(close(host((*ages)[0].k), k, 0) && close(host((*ages)[0].v), v, 0));
        QVERIFY(close(host((*ages)[1].k), roundedRows(k, 0, 15), 1e-5f));
        QVERIFY(close(host((*ages)[1].v), roundedRows(v, 0, 15), 1e-5f));
    }

    /// A key i - j < 6 tokens back is read there, an older one as if it were 9 tokens back.
    void windowedRope() {
        constexpr size_t kNear = 6, kPlace = 9;
        const auto angle = [](size_t pair, size_t position) {
            return double(position) * std::pow(100.0, -double(pair) / (kDim / 2));
        };
        const RotateHeads rotate = [&](Tensor& x, std::optional<size_t> position) {
            Matrix m = host(x);
            for (size_t t = 0; t < m.rows(); ++t)
                for (size_t h = 0; h < m.cols(); h += kDim)
                    for (size_t p = 0; p < kDim / 2; ++p) {
                        float &a = m(t, h + p), &b = m(t, h + p + kDim / 2);
                        const auto turned = std::complex<double>(a, b) *
                                            std::polar(1.0, angle(p, position.value_or(t % kWindow)));
                        a = float(turned.real());
                        b = float(turned.imag());
                    }
            return m_backend->upload(std::as_const(m).view(), x);
        };
        KvRounder cache;
        cache.steps.push_back({});
        cache.beforeRotation = true;
        cache.windowed = WindowedRope{kNear, kPlace};
        const Matrix q = values(kHeads * kDim, 1), k = values(kKvHeads * kDim, 2),
                     v = values(kKvHeads * kDim, 3);
        const auto ages = ageCache(cache, kWindow, onDevice(q), onDevice(k), onDevice(v), rotate, *m_backend);
        QS_VERIFY_OK(ages);
        Tensor out = *m_backend->allocate(kWindows * kWindow, kHeads * kDim);
        QS_VERIFY_OK(agedAttention(*ages, shape(), {}, *m_backend, out));
        std::vector<Matrix> all;
        all.push_back(v.clone());
        const Matrix expected = plainly(shape(), {0}, all, [&](size_t h, size_t i, size_t j) {
            const size_t back = i - j < kNear ? i - j : kPlace;
            double dot = 0;
            for (size_t p = 0; p < kDim / 2; ++p) {
                const std::complex<double> a(q(i, h * kDim + p), q(i, h * kDim + p + kDim / 2)),
                    b(k(j, h / 2 * kDim + p), k(j, h / 2 * kDim + p + kDim / 2));
                dot += (a * std::polar(1.0, angle(p, back)) * std::conj(b)).real();
            }
            return dot;
        });
        QVERIFY(close(host(out), expected, 1e-5f));
    }

    /// The tokens with the highest scores by keys of two bits, with their exact keys; values as they are
    /// read.
    void bestTokens_data() {
        QTest::addColumn<float>("cap");
        QTest::addColumn<int>("reach");
        QTest::addColumn<int>("best");
        QTest::newRow("three") << 0.0f << 0 << 3;
        QTest::newRow("one, capped") << 1.5f << 0 << 1;
        QTest::newRow("five, sliding") << 0.0f << 9 << 5;
        QTest::newRow("more than there are") << 0.0f << 0 << 100;
    }
    void bestTokens() {
        QFETCH(float, cap);
        QFETCH(int, reach);
        QFETCH(int, best);
        AttentionShape s = shape();
        s.softCap = cap;
        s.reach = size_t(reach);
        const Matrix q = values(kHeads * kDim, 1), k = values(kKvHeads * kDim, 2),
                     v = values(kKvHeads * kDim, 3);
        const KvRounder cache = rounder("int2", {{"best_tokens", best}});
        QVERIFY(cache.dependsOnQuery());
        QCOMPARE(cache.bestTokens, size_t(best));
        const auto ages = ageCache(cache, kWindow, onDevice(q), onDevice(k), onDevice(v), keep, *m_backend);
        QS_VERIFY_OK(ages);
        Tensor out = *m_backend->allocate(kWindows * kWindow, kHeads * kDim);
        const BestTokens alone{size_t(best), onDevice(q), onDevice(k)};
        QS_VERIFY_OK(agedAttention(*ages, s, {}, *m_backend, out, &alone));
        const Matrix rough = roundedRows(k, 0, 3);
        const auto dot = [&](const Matrix& keys, size_t h, size_t i, size_t j) {
            double sum = 0;
            for (size_t c = 0; c < kDim; ++c)
                sum += double(q(i, h * kDim + c)) * double(keys(j, h / 2 * kDim + c));
            return sum;
        };
        std::vector<Matrix> all;
        all.push_back(roundedRows(v, 0, 3));
        const Matrix expected = plainly(s, {0}, all, [&](size_t h, size_t i, size_t j) {
            const size_t first = i / kWindow * kWindow,
                         from = s.reach > 0 && i + 1 > first + s.reach ? i + 1 - s.reach : first;
            size_t before = 0; // tokens that rank higher
            for (size_t other = from; other <= i; ++other) {
                const double a = dot(rough, h, i, other), b = dot(rough, h, i, j);
                before += a > b || (a == b && other > j);
            }
            return before < size_t(best) ? dot(k, h, i, j) : -1e9;
        });
        if (cap == 0) QVERIFY(close(host(out), expected, 1e-5f));
        // The cap would bring -1e9 back: with one token, its value is what comes out.
        const Matrix have = host(out);
        for (size_t row = 0; cap > 0 && row < out.rows; ++row)
            for (size_t h = 0; h < kHeads; ++h) {
                const size_t first = row / kWindow * kWindow;
                size_t top = first;
                for (size_t j = first; j <= row; ++j)
                    if (dot(rough, h, row, j) >= dot(rough, h, row, top)) top = j;
                for (size_t c = 0; c < kDim; ++c)
                    QVERIFY(std::fabs(have(row, h * kDim + c) - all[0](top, h / 2 * kDim + c)) <= 1e-5f);
            }
    }

    /// Rows of probabilities on powers of two, by plain loops.
    void roundedProbabilities() {
        const Matrix q = values(kHeads * kDim, 1), k = values(kKvHeads * kDim, 2);
        const auto dot = [&](size_t h, size_t i, size_t j) {
            double sum = 0;
            for (size_t c = 0; c < kDim; ++c)
                sum += double(q(i, h * kDim + c)) * double(k(j, h / 2 * kDim + c));
            return double(shape().scale) * sum;
        };
        const auto scheme = InputScheme::probabilityPreset("log2_3");
        QS_VERIFY_OK(scheme);
        const auto codec = *createCodec(scheme->codec, scheme->codecParams);
        const RowRounder rounder(codec);
        size_t seen = 0;
        const ProbabilityVisitor visit = [&](MatrixView p) { return rounder.round(p); };
        // Values that pick one token out: out(i, c) = p(i, c) for the first kDim tokens.
        Matrix v(kWindows * kWindow, kKvHeads * kDim);
        for (size_t t = 0; t < v.rows(); ++t)
            for (size_t h = 0; h < kKvHeads; ++h)
                v(t, h * kDim + t % kWindow) = 1;
        const AgedCache now{0, onDevice(q), onDevice(k), onDevice(v)};
        Tensor out = *m_backend->allocate(kWindows * kWindow, kHeads * kDim);
        QS_VERIFY_OK(agedAttention({&now, 1}, shape(), visit, *m_backend, out));
        const Matrix have = host(out);
        for (size_t row = 0; row < have.rows(); ++row)
            for (size_t h = 0; h < kHeads; ++h) {
                const size_t i = row % kWindow, first = row - i;
                double sum = 0, top = 0;
                for (size_t j = 0; j <= i; ++j)
                    sum += std::exp(dot(h, row, first + j));
                for (size_t j = 0; j <= i; ++j)
                    top = std::max(top, std::exp(dot(h, row, first + j)) / sum);
                for (size_t j = 0; j < kWindow; ++j) {
                    const double p = j <= i ? std::exp(dot(h, row, first + j)) / sum / top : 0;
                    double best = 0; // of 0, 1, 1/2, .. 1/64
                    for (int e = 0; e < 7; ++e)
                        if (std::fabs(std::exp2(-e) - p) < std::fabs(best - p)) best = std::exp2(-e);
                    seen += std::fabs(double(have(row, h * kDim + j)) - best * top) <= 1e-5;
                }
            }
        // A value midway between two levels may go either way.
        QVERIFY(seen > have.rows() * kHeads * kWindow * 99 / 100);
    }
};

QS_TEST(AgedAttention)
#include "tst_aged_attention.moc"
