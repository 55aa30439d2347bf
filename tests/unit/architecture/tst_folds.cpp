// SPDX-License-Identifier: Apache-2.0
// Every fold of a block, applied with random factors, leaves the logits as they are.
#include "core/quant/transform/scaling.h"
#include "tests/unit/architecture/golden_case.h"

#include <random>

using namespace qs;
using namespace qs::test;

namespace {

/// Weights with all folds of all blocks applied with random factors.
class FoldedWeights final : public WeightSource {
public:
    FoldedWeights(const ModelSpec& spec, std::shared_ptr<const WeightSource> base) : base_(std::move(base)) {
        for (const BlockSpec& b : spec.blocks)
            for (const FoldSpec& f : b.folds)
                scaling_.add(b, f, randomFactors(b, f));
    }
    Result<Matrix> matrix(const std::string& name) const override {
        auto m = base_->matrix(name);
        if (const TensorScaling* t = scaling_.find(name); m && t) t->apply(m->view());
        return m;
    }
    std::string fingerprint() const override { return {}; }
    std::string label() const override { return "folded"; }
    size_t edited() const { return scaling_.tensors().size(); }

private:
    std::vector<float> randomFactors(const BlockSpec& b, const FoldSpec& f) {
        const auto readers = readersOf(b, f);
        if (readers.empty()) qFatal("nothing reads a fold");
        std::vector<float> byProducer(readers.front()->in), s;
        std::uniform_real_distribution<float> factor(0.5f, 2.0f);
        for (float& v : byProducer)
            v = factor(random_);
        for (size_t c = 0; c < byProducer.size(); ++c)
            s.push_back(byProducer[f.producerOf(c)]);
        return s;
    }

    std::shared_ptr<const WeightSource> base_;
    BlockScaling scaling_; // names of tensors are those of the whole model
    std::mt19937 random_{5};
};

} // namespace

class Folds : public QObject {
    Q_OBJECT
private slots:
    void functionStays_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<int>("folds"); // of the last block
        const auto row = [](const char* name, int folds) { QTest::newRow(name) << name << folds; };
        row("llama", 4); // two norms, v, up
        row("llama_bias", 4);
        row("mistral", 4);
        row("stablelm", 4);
        row("stablelm_parallel", 3); // one norm feeds both halves
        row("qwen2", 4);
        row("qwen3", 4);
        row("gemma", 4);
        row("gemma2", 4);
        row("gemma3", 4);
        row("phi3", 4);
        row("gpt2", 3); // gelu stands between up and down
        row("opt", 3);
        row("bloom", 3);
        row("gpt_neox", 3);
        row("gpt_neox_sequential", 3);
        row("falcon_rw", 3);
        row("falcon_7b", 2);
        row("falcon_40b", 3);
        row("mixtral", 3 + 4);       // two norms, v; up of 4 experts
        row("qwen2_moe", 3 + 5 + 1); // and of the shared one
        row("qwen3_moe", 3 + 5);
        row("bert", 1); // v only: its norms are residuals too, and gelu stands before the last linear
    }
    void functionStays() {
        QFETCH(QString, name);
        QFETCH(int, folds);
        const auto model = openModel(goldenCase(name.toStdString()));
        QS_VERIFY_OK(model);
        QVERIFY2((*model)->hasForward(), (*model)->noForwardReason().c_str());
        const ModelSpec& spec = (*model)->spec();
        QCOMPARE(int(spec.blocks.back().folds.size()), folds);
        const auto base = modelWeights(**model);
        const FoldedWeights folded(spec, base);
        size_t all = 0; // the producer of each, and a reader at least
        for (const BlockSpec& b : spec.blocks)
            all += b.folds.size();
        QVERIFY(folded.edited() >= 2 * all);
        const auto ids = goldenTokens(name.toStdString());
        const auto backend = makeCpuBackend();
        const auto before = computeLogits(spec, *base, ids, *backend, {}),
                   after = computeLogits(spec, folded, ids, *backend, {});
        QS_VERIFY_OK(before);
        QS_VERIFY_OK(after);
        const double worst = largestDifference(before->span(), after->span());
        QVERIFY2(worst <= 1e-4, qPrintable(QString::number(worst)));
    }
    void groupedHeadsShareAFactor() {
        FoldSpec f;
        f.headDim = 4;
        f.repeat = 3; // heads 0, 1, 2 read head 0 of v; heads 3, 4, 5 head 1
        QCOMPARE(f.producerOf(0), size_t(0));
        QCOMPARE(f.producerOf(4 + 1), size_t(1));
        QCOMPARE(f.producerOf(8 + 3), size_t(3));
        QCOMPARE(f.producerOf(12 + 2), size_t(6));
        QCOMPARE(f.producerOf(20 + 3), size_t(7));
    }
};

QS_TEST(Folds)
#include "tst_folds.moc"
