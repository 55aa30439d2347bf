// SPDX-License-Identifier: Apache-2.0
// Values per token, against float64 arithmetic on the logits of both models; pieces of text.
#include "core/evaluate/compare.h"
#include "core/evaluate/token_compare.h"
#include "core/evaluate/token_text.h"
#include "core/model/forward.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <numeric>

using namespace qs;
using namespace qs::test;

namespace {

/// The model with every matrix rounded to steps of 1/64 of its largest value.
class Coarse final : public WeightSource {
public:
    explicit Coarse(std::shared_ptr<const WeightSource> base) : base_(std::move(base)) {}
    Result<Matrix> matrix(const std::string& tensor) const override {
        QS_TRY(Matrix m, base_->matrix(tensor));
        if (m.rows() == 1) return m;
        float top = 0;
        for (const float v : m.span())
            top = std::max(top, std::abs(v));
        for (float& v : m.span())
            v = std::round(v / top * 64) * top / 64;
        return m;
    }
    std::string fingerprint() const override { return "coarse"; }
    std::string label() const override { return "coarse"; }

private:
    std::shared_ptr<const WeightSource> base_;
};

std::vector<double> softmax(const Matrix& logits, size_t row) {
    std::vector<double> p(logits.cols());
    double top = -INFINITY, sum = 0;
    for (size_t v = 0; v < p.size(); ++v)
        top = std::max(top, double(logits(row, v)));
    for (size_t v = 0; v < p.size(); ++v)
        sum += p[v] = std::exp(double(logits(row, v)) - top);
    for (double& x : p)
        x /= sum;
    return p;
}

size_t argmax(const std::vector<double>& p) {
    return size_t(std::max_element(p.begin(), p.end()) - p.begin());
}

double divergence(const std::vector<double>& p, const std::vector<double>& q) {
    double sum = 0;
    for (size_t v = 0; v < p.size(); ++v)
        if (p[v] > 0) sum += p[v] * std::log(p[v] / q[v]);
    return sum;
}

} // namespace

class TokenCompareTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_model = *openModel(sampleModel());
        m_base = modelWeights(*m_model);
        m_coarse = std::make_shared<Coarse>(m_base);
        m_backend = makeCpuBackend();
        const auto text = readTextFile(sourceDir() / "resources/sample/texts/evaluation.txt");
        QS_VERIFY_OK(text);
        m_windows = *windowsFromText(*m_model->tokenizer(), *text, 48, 3);
    }
    void evaluationKeepsEveryToken() {
        const auto e = evaluate(m_model->spec(), *m_coarse, m_base.get(), m_windows, {}, *m_backend, {});
        QS_VERIFY_OK(e);
        QCOMPARE(e->tokenKl.size(), size_t(3 * 47));
        QCOMPARE(e->scoredPerWindow(), size_t(47));
        QCOMPARE(e->windowLength(), size_t(48));
        size_t flips = 0;
        for (size_t w = 0; w < 3; ++w) {
            const std::span<const int32_t> ids(m_windows.row(w), 48);
            const Matrix q = *computeLogits(m_model->spec(), *m_coarse, ids, *m_backend, {}),
                         p = *computeLogits(m_model->spec(), *m_base, ids, *m_backend, {});
            for (size_t t = 0; t < 47; ++t) {
                const size_t i = w * 47 + t;
                const auto pp = softmax(p, t), qq = softmax(q, t);
                QCOMPARE(e->tokenAt[i], int32_t(w * 48 + t + 1));
                QVERIFY(std::fabs(double(e->tokenKl[i]) - divergence(pp, qq)) <= 2e-5);
                QVERIFY(std::fabs(double(e->tokenNll[i]) + std::log(qq[size_t(ids[t + 1])])) <= 2e-4);
                QVERIFY(std::fabs(double(e->referenceTokenNll[i]) + std::log(pp[size_t(ids[t + 1])])) <=
                        2e-4);
                QCOMPARE(size_t(e->tokenTop[i]), argmax(qq));
                QCOMPARE(size_t(e->referenceTop[i]), argmax(pp));
                flips += argmax(pp) != argmax(qq);
            }
        }
        QVERIFY(flips > 0 && flips < 47); // else the numbers above show little
        QVERIFY(std::fabs(e->top1 - (1 - double(flips) / (3 * 47))) <= 1e-12);
        std::vector<float> sorted = e->tokenKl;
        std::sort(sorted.begin(), sorted.end());
        const double h = 0.99 * 140; // between order statistics 138 and 139
        const double expected = sorted[138] + (h - 138) * (double(sorted[139]) - sorted[138]);
        QVERIFY(std::fabs(e->kl99 - expected) <= 1e-9);
        // The reference measured alone says the same as what the comparison says about it.
        const auto alone = evaluate(m_model->spec(), *m_base, nullptr, m_windows, {}, *m_backend, {});
        QS_VERIFY_OK(alone);
        const Evaluation derived = evaluationOfReference(*e);
        QCOMPARE(derived.nll, alone->nll);
        QCOMPARE(derived.tokenTop, alone->tokenTop);
        QCOMPARE(derived.weightsFingerprint, alone->weightsFingerprint);
        QVERIFY(!derived.hasReference);
    }
    void passage() {
        const std::span<const int32_t> ids(m_windows.row(1), 48);
        const WeightSource* models[] = {m_base.get(), m_coarse.get()};
        const auto c = compareTokens(m_model->spec(), models, ids, {}, *m_backend, {});
        QS_VERIFY_OK(c);
        QCOMPARE(c->models.size(), size_t(2));
        QCOMPARE(c->labels[1], std::string("coarse"));
        const Matrix q = *computeLogits(m_model->spec(), *m_coarse, ids, *m_backend, {}),
                     p = *computeLogits(m_model->spec(), *m_base, ids, *m_backend, {});
        for (size_t t = 0; t < 47; ++t) {
            const auto pp = softmax(p, t), qq = softmax(q, t);
            const TokenPrediction &a = c->models[0][t], &b = c->models[1][t];
            QVERIFY(a.kl == 0 && !a.flip);
            QVERIFY(std::fabs(double(b.kl) - divergence(pp, qq)) <= 2e-5);
            QCOMPARE(b.flip, argmax(pp) != argmax(qq));
            const size_t target = size_t(ids[t + 1]);
            QVERIFY(std::fabs(double(b.probability) - qq[target]) <= 1e-5);
            QVERIFY(std::fabs(double(b.nll) + std::log(qq[target])) <= 2e-4);
            std::vector<size_t> order(qq.size());
            std::iota(order.begin(), order.end(), size_t(0));
            std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) { return qq[x] > qq[y]; });
            QCOMPARE(b.top.size(), size_t(10));
            for (size_t k = 0; k < 10; ++k) {
                QCOMPARE(size_t(b.top[k].id), order[k]);
                QVERIFY(std::fabs(double(b.top[k].probability) - qq[order[k]]) <= 1e-5);
            }
        }
    }
    void passageRefusals() {
        const WeightSource* models[] = {m_base.get()};
        const std::vector<int32_t> one = {1}, outside = {1, int32_t(m_model->spec().vocabulary)};
        QVERIFY(!compareTokens(m_model->spec(), models, one, {}, *m_backend, {}));
        QVERIFY(!compareTokens(m_model->spec(), models, outside, {}, *m_backend, {}));
        QVERIFY(!compareTokens(m_model->spec(), {}, one, {}, *m_backend, {}));
        ModelSpec encoder = m_model->spec();
        encoder.causal = false;
        const std::vector<int32_t> two = {1, 2};
        QCOMPARE(compareTokens(encoder, models, two, {}, *m_backend, {}).error().code,
                 ErrorCode::Unsupported);
        std::stop_source stop;
        stop.request_stop();
        QVERIFY(compareTokens(m_model->spec(), models, two, {}, *m_backend, JobContext(stop.get_token()))
                    .isCancelled());
    }
    void piecesGiveTheText() {
        const Tokenizer& tokenizer = *m_model->tokenizer();
        const std::string text = "The old sea was calm.\nShe said: 3 < 4 & 5 > 2!";
        const auto ids = tokenizer.encode(text, false);
        QS_VERIFY_OK(ids);
        const std::vector<int32_t> tokens(ids->begin(), ids->end());
        const std::vector<std::string> pieces = tokenTexts(tokenizer, tokens);
        QCOMPARE(pieces.size(), tokens.size());
        QCOMPARE(std::accumulate(pieces.begin(), pieces.end(), std::string()), *tokenizer.decode(*ids));
    }
    void contextOfATokenIsWhatStandsBeforeIt() {
        const auto e = evaluate(m_model->spec(), *m_base, nullptr, m_windows, {}, *m_backend, {});
        QS_VERIFY_OK(e);
        const Tokenizer& tokenizer = *m_model->tokenizer();
        const TokenContext c = tokenContext(*e, tokenizer, 47 + 20, 1000); // window 1, token 21
        QCOMPARE(c.window, size_t(1));
        QCOMPARE(c.position, size_t(21));
        const std::vector<int> before(m_windows.row(1), m_windows.row(1) + 21),
            with(m_windows.row(1), m_windows.row(1) + 22);
        QCOMPARE(c.before, *tokenizer.decode(before));
        QCOMPARE(c.before + c.token, *tokenizer.decode(with));
    }

private:
    std::shared_ptr<const Model> m_model;
    std::shared_ptr<const WeightSource> m_base, m_coarse;
    std::unique_ptr<Backend> m_backend;
    TokenWindows m_windows;
};

QS_TEST(TokenCompareTest)
#include "tst_token_compare.moc"
