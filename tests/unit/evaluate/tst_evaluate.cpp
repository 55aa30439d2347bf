// SPDX-License-Identifier: Apache-2.0
#include "core/base/npy.h"
#include "core/evaluate/evaluate.h"
#include "core/model/forward.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <cmath>
#include <fstream>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

/// Another set of weights: every value of one tensor scaled.
class Scaled final : public WeightSource {
public:
    Scaled(std::shared_ptr<const WeightSource> base, std::string tensor, float factor)
        : base_(std::move(base)), tensor_(std::move(tensor)), factor_(factor) {}
    Result<Matrix> matrix(const std::string& tensor) const override {
        QS_TRY(Matrix m, base_->matrix(tensor));
        if (tensor == tensor_)
            for (float& v : m.span())
                v *= factor_;
        return m;
    }
    std::string fingerprint() const override { return "scaled"; }
    std::string label() const override { return "scaled"; }

private:
    std::shared_ptr<const WeightSource> base_;
    std::string tensor_;
    float factor_;
};

} // namespace

class EvaluateTest : public QObject {
    Q_OBJECT
private slots:
    void sharedPerplexities_data() {
        QTest::addColumn<QString>("name");
        QTest::newRow("stories260K") << "stories260K";
        QTest::newRow("stories940K-char") << "stories940K-char";
    }
    void sharedPerplexities() {
        QS_NEED_SHARED(shared);
        QFETCH(QString, name);
        const auto dir = shared / "data/models" / name.toStdString();
        const json reference = json::parse(std::ifstream(dir / "reference/reference.json"));
        const auto model = *openModel(dir);
        QVERIFY(model->hasForward() && model->tokenizer());
        auto backend = makeCpuBackend();
        for (const json& r : reference.at("perplexity")) {
            const auto text = readTextFile(shared / "data/text" / r.at("file").get<std::string>());
            QS_VERIFY_OK(text);
            // The range is in characters of the decoded text; Python's text mode reads CR and CRLF as LF.
            QString decoded = QString::fromUtf8(text->data(), qsizetype(text->size()));
            decoded.replace("\r\n", "\n").replace('\r', '\n');
            QVector<uint> points =
                decoded.toUcs4().mid(r.at("char_range")[0].get<int>(), r.at("char_range")[1].get<int>());
            const QByteArray part =
                QString::fromUcs4(reinterpret_cast<const char32_t*>(points.data()), points.size()).toUtf8();
            const auto ids = model->tokenizer()->encode(std::string_view(part.data(), size_t(part.size())));
            QS_VERIFY_OK(ids);
            QCOMPARE(ids->size(), r.at("tokens").get<size_t>());
            const auto windows = cutWindows(*ids, reference.at("context").get<size_t>(), 0);
            QS_VERIFY_OK(windows);
            QCOMPARE(windows->rows(), r.at("windows").get<size_t>());
            const auto e =
                evaluate(model->spec(), *modelWeights(*model), nullptr, *windows, {}, *backend, {});
            QS_VERIFY_OK(e);
            QCOMPARE(e->tokens, r.at("scored").get<uint64_t>());
            const double expected = r.at("ppl").get<double>();
            qInfo("%s: %.6f, reference %.6f", r.at("label").get<std::string>().c_str(), e->perplexity,
                  expected);
            QVERIFY(std::fabs(e->perplexity - expected) <= 1e-4 * expected);
        }
    }
    void scoresByHand() {
        // Against plain float64 softmax over computeLogits of each window.
        const auto dir = scratchDir("evaluate-small");
        SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        const auto model = *openModel(dir);
        const auto base = modelWeights(*model);
        const Scaled other(base, "model.layers.1.mlp.down_proj.weight", 1.7f);
        auto backend = makeCpuBackend();
        TokenWindows tokens(3, 9);
        for (size_t i = 0; i < tokens.size(); ++i)
            tokens.data()[i] = int32_t((i * 37 + i * i) % 50);
        const auto e = evaluate(model->spec(), other, base.get(), tokens, {}, *backend, {});
        QS_VERIFY_OK(e);
        double nll = 0, kl = 0, same = 0, squares = 0;
        std::vector<double> losses;
        for (size_t w = 0; w < 3; ++w) {
            const std::span<const int32_t> ids(&tokens(w, 0), 9);
            const Matrix q = *computeLogits(model->spec(), other, ids, *backend, {}),
                         p = *computeLogits(model->spec(), *base, ids, *backend, {});
            for (size_t t = 0; t + 1 < 9; ++t) {
                double sq = 0, sp = 0;
                size_t aq = 0, ap = 0;
                for (size_t v = 0; v < 50; ++v) {
                    sq += std::exp(double(q(t, v)));
                    sp += std::exp(double(p(t, v)));
                    if (q(t, v) > q(t, aq)) aq = v;
                    if (p(t, v) > p(t, ap)) ap = v;
                }
                losses.push_back(-std::log(std::exp(double(q(t, size_t(ids[t + 1])))) / sq));
                for (size_t v = 0; v < 50; ++v) {
                    const double pv = std::exp(double(p(t, v))) / sp, qv = std::exp(double(q(t, v))) / sq;
                    kl += pv * std::log(pv / qv);
                }
                same += aq == ap;
            }
        }
        for (double l : losses)
            nll += l / 24;
        for (double l : losses)
            squares += (l - nll) * (l - nll);
        QCOMPARE(e->tokens, uint64_t(24));
        QVERIFY(std::fabs(e->nll - nll) <= 1e-5);
        QVERIFY(std::fabs(e->perplexity - std::exp(nll)) <= 1e-3);
        QVERIFY(std::fabs(e->nllStderr - std::sqrt(squares / 23 / 24)) <= 1e-5);
        QVERIFY(std::fabs(e->kl - kl / 24) <= 1e-5 && e->kl > 1e-4);
        QVERIFY(std::fabs(e->top1 - same / 24) <= 1e-9);
        const json j = e->toJson();
        for (const char* key : {"nll", "ppl", "stderr", "tokens", "kl", "top1"})
            QVERIFY2(j.contains(key), key);
    }
    void sameWeightsHaveNoDivergence() {
        const auto model = *openModel(sampleModel());
        const auto base = modelWeights(*model);
        auto backend = makeCpuBackend();
        const auto text = readTextFile(sourceDir() / "resources/sample/texts/evaluation.txt");
        QS_VERIFY_OK(text);
        const auto windows = windowsFromText(*model->tokenizer(), *text, 64, 4);
        QS_VERIFY_OK(windows);
        const auto e = evaluate(model->spec(), *base, base.get(), *windows, {}, *backend, {});
        QS_VERIFY_OK(e);
        QCOMPARE(e->kl, 0.0);
        QCOMPARE(e->top1, 1.0);
    }
    void sampleReference() {
        const json reference =
            json::parse(std::ifstream(sourceDir() / "resources/sample/reference/reference.json"));
        const auto model = *openModel(sampleModel());
        const auto text = readTextFile(sourceDir() / "resources/sample/texts/evaluation.txt");
        const auto windows = windowsFromText(*model->tokenizer(), *text, 256, 0);
        QS_VERIFY_OK(windows);
        QCOMPARE(windows->rows(), reference.at("windows").get<size_t>());
        auto backend = makeCpuBackend();
        const auto e = evaluate(model->spec(), *modelWeights(*model), nullptr, *windows, {}, *backend, {});
        QS_VERIFY_OK(e);
        const double expected = reference.at("nll").get<double>();
        QVERIFY2(std::fabs(e->nll - expected) <= 1e-4 * expected,
                 qPrintable(QString::number(e->nll, 'g', 10)));
    }
    void diskAndMemoryAgree() {
        // A budget of one byte sends the activations to the scratch file.
        const auto dir = scratchDir("evaluate-disk");
        SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        const auto model = *openModel(dir);
        auto backend = makeCpuBackend();
        TokenWindows tokens(5, 16);
        for (size_t i = 0; i < tokens.size(); ++i)
            tokens.data()[i] = int32_t((i * 7) % 50);
        const auto w = modelWeights(*model);
        const auto a = evaluate(model->spec(), *w, nullptr, tokens, {}, *backend, {}),
                   b = evaluate(model->spec(), *w, nullptr, tokens, {.activationBudgetBytes = 1}, *backend,
                                {});
        QS_VERIFY_OK(a);
        QS_VERIFY_OK(b);
        QCOMPARE(a->nll, b->nll);
    }
    void badTokens() {
        const auto dir = scratchDir("evaluate-bad");
        SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        const auto model = *openModel(dir);
        auto backend = makeCpuBackend();
        TokenWindows tokens(1, 4);
        tokens(0, 2) = 51;
        const auto e = evaluate(model->spec(), *modelWeights(*model), nullptr, tokens, {}, *backend, {});
        QVERIFY(!e);
        QVERIFY(e.error().message.find("51") != std::string::npos);
        QVERIFY(
            !evaluate(model->spec(), *modelWeights(*model), nullptr, TokenWindows(2, 1), {}, *backend, {}));
    }
};

QS_TEST(EvaluateTest)
#include "tst_evaluate.moc"
