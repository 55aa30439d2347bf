// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/evaluate.h"
#include "core/model/forward.h"
#include "tests/support/gguf_llama.h"
#include "tests/support/qs_test.h"

#include <cmath>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::test;

namespace {

/// The matrices of another source rounded to Q8_0; vectors as they are.
class RoundedToQ8 final : public WeightSource {
public:
    explicit RoundedToQ8(std::shared_ptr<const Checkpoint> c) : base_(checkpointWeights(c)) {}
    Result<Matrix> matrix(const std::string& tensor) const override {
        QS_TRY(Matrix m, base_->matrix(tensor));
        if (m.rows() > 1)
            for (size_t r = 0; r < m.rows(); ++r)
                q8Values(m.row(r), m.cols());
        return m;
    }
    std::string fingerprint() const override { return "rounded"; }
    std::string label() const override { return "rounded to Q8_0"; }

private:
    std::shared_ptr<const WeightSource> base_;
};

/// Through the model's own tokenizer, so that a GGUF is compared on the tokens of the original.
TokenWindows someWindows(const Model& model) {
    const auto text = readTextFile(sourceDir() / "README.md");
    const auto ids = model.tokenizer()->encode(*text);
    return *cutWindows(*ids, 64, 12);
}

double perplexity(const Model& model, const WeightSource& weights, const TokenWindows& windows) {
    auto backend = makeCpuBackend();
    const auto e = evaluate(model.spec(), weights, nullptr, windows, {}, *backend, {});
    return e ? e->perplexity : std::nan("");
}

double perplexity(const Model& model, const TokenWindows& windows) {
    return perplexity(model, *checkpointWeights(model.checkpointPtr()), windows);
}

void models() {
    QTest::addColumn<QString>("folder");
    QTest::newRow("sample") << QString::fromStdString(sampleModel().string());
    if (const fs::path shared = sharedDir(); !shared.empty())
        for (const char* name : {"stories260K", "stories940K-w256", "prose-6m"})
            QTest::newRow(name) << QString::fromStdString((shared / "data/models" / name).string());
}

} // namespace

/// A model and the GGUF that the test makes of it: the same perplexity to 1e-3.
class GgufPerplexityTest : public QObject {
    Q_OBJECT
private slots:
    void plainTypesChangeNothing_data() { models(); }
    void plainTypesChangeNothing() {
        QFETCH(QString, folder);
        const auto original = openModel(folder.toStdString());
        QS_VERIFY_OK(original);
        QVERIFY((*original)->hasForward() && (*original)->tokenizer());
        const TokenWindows windows = someWindows(**original);
        const double expected = perplexity(**original, windows);
        const DType stored = (*original)->checkpoint().tensors()[0].dtype;
        const fs::path dir = scratchDir("plain");
        for (const auto& [name, type] : {std::pair("F32", kGgmlF32), std::pair("F16", kGgmlF16)}) {
            const fs::path path = dir / (std::string(name) + ".gguf");
            llamaGguf((*original)->checkpoint(), type).write(path);
            const auto gguf = openModel(path);
            QS_VERIFY_OK(gguf);
            QVERIFY2((*gguf)->hasForward(), (*gguf)->noForwardReason().c_str());
            QCOMPARE((*gguf)->spec().head.tied, (*original)->spec().head.tied);
            QCOMPARE((*gguf)->targets().size(), (*original)->targets().size());
            const double found = perplexity(**gguf, windows);
            qInfo("%s: %.6f, original (%s) %.6f", name, found, std::string(dtypeInfo(stored).name).c_str(),
                  expected);
            QVERIFY(std::fabs(found - expected) <= 1e-3 * expected);
        }
    }

    /// tests/golden/gen/gguf_model.py wrote a model of mixed types, what its tensors hold, and the loss that
    /// NumPy's float64 arithmetic gives it.
    void goldenFile() {
        const fs::path dir = sourceDir() / "tests/golden/gguf";
        const auto model = openModel(dir / "tiny.gguf");
        const auto values = openCheckpoint(dir / "values.safetensors");
        QS_VERIFY_OK(model);
        QS_VERIFY_OK(values);
        const Checkpoint& c = (*model)->checkpoint();
        QCOMPARE(c.tensors().size(), (*values)->tensors().size());
        for (const TensorInfo& t : (*values)->tensors()) {
            const auto want = (*values)->readMatrix(t.name), have = c.readMatrix(t.name);
            QS_VERIFY_OK(want);
            QS_VERIFY_OK(have);
            QCOMPARE(c.tensors()[c.find(t.name)].shape, t.shape);
            QVERIFY2(std::memcmp(want->data(), have->data(), want->size() * sizeof(float)) == 0,
                     t.name.c_str());
        }
        QCOMPARE(c.tensors()[c.find("model.layers.0.self_attn.k_proj.weight")].encoding, std::string("Q4_0"));
        QVERIFY2((*model)->hasForward(), (*model)->noForwardReason().c_str());
        QVERIFY2((*model)->tokenizer(), (*model)->noTokenizerReason().c_str());
        QCOMPARE((*model)->tokenizer()->vocabularySize(), 48);
        const auto expected = nlohmann::json::parse(std::ifstream(dir / "expected.json"));
        const auto ids = expected.at("ids").get<std::vector<int>>();
        const auto windows = cutWindows(ids, ids.size(), 0);
        QS_VERIFY_OK(windows);
        const double loss = std::log(perplexity(**model, *windows));
        qInfo("loss %.6f, NumPy %.6f", loss, expected.at("loss").get<double>());
        QVERIFY(std::fabs(loss - expected.at("loss").get<double>()) <= 1e-4);
    }

    /// Against the original's own matrices rounded to the same codes in float32: Q8_0 itself moves the
    /// perplexity.
    void q8HoldsTheSameCodes_data() { models(); }
    void q8HoldsTheSameCodes() {
        QFETCH(QString, folder);
        const auto original = openModel(folder.toStdString());
        QS_VERIFY_OK(original);
        for (const TensorInfo& t : (*original)->checkpoint().tensors())
            if (t.shape.size() == 2 && t.cols() % 32 != 0)
                QSKIP("its rows are not whole blocks of 32, so it cannot be stored as Q8_0");
        const TokenWindows windows = someWindows(**original);
        const double rounded = perplexity(**original, RoundedToQ8((*original)->checkpointPtr()), windows);
        const fs::path path = scratchDir("q8") / "m.gguf";
        llamaGguf((*original)->checkpoint(), kGgmlQ8_0).write(path);
        const auto gguf = openModel(path);
        QS_VERIFY_OK(gguf);
        QVERIFY2((*gguf)->hasForward(), (*gguf)->noForwardReason().c_str());
        const double found = perplexity(**gguf, windows);
        qInfo("Q8_0: %.6f, rounded original %.6f, original %.6f", found, rounded,
              perplexity(**original, windows));
        QVERIFY(std::fabs(found - rounded) <= 1e-3 * rounded);
    }
};

QS_TEST(GgufPerplexityTest)
#include "tst_gguf_perplexity.moc"
