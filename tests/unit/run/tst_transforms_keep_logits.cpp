// SPDX-License-Identifier: Apache-2.0
// The factors that every transform of the registry chooses, applied to a model in float, leave its logits as
// they are.
#include "core/model/forward.h"
#include "core/run/run.h"
#include "core/run/transform_block.h"
#include "tests/unit/architecture/golden_case.h"

#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;

namespace {

class ScaledWeights final : public WeightSource {
public:
    explicit ScaledWeights(std::shared_ptr<const WeightSource> base) : base_(std::move(base)) {}
    std::vector<TransformedBlock> blocks;

    Result<Matrix> matrix(const std::string& name) const override {
        auto m = base_->matrix(name);
        for (const TransformedBlock& b : blocks)
            if (const TensorScaling* t = b.scaling.find(name); m && t) t->apply(m->view());
        return m;
    }
    std::string fingerprint() const override { return {}; }
    std::string label() const override { return "scaled"; }

private:
    std::shared_ptr<const WeightSource> base_;
};

} // namespace

class TransformsKeepLogits : public QObject {
    Q_OBJECT
private slots:
    void everyEntry_data() {
        QTest::addColumn<QString>("id");
        QTest::addColumn<QString>("model");
        for (const TransformDescriptor* d : transforms())
            for (const char* model : {"llama", "qwen2", "opt", "gpt2", "bloom", "mixtral"})
                QTest::addRow("%s %s", d->id.c_str(), model) << QString::fromStdString(d->id) << model;
    }
    void everyEntry() {
        QFETCH(QString, id);
        QFETCH(QString, model);
        const auto m = *openModel(goldenCase(model.toStdString()));
        const auto ids = goldenTokens(model.toStdString());
        const auto backend = makeCpuBackend();
        TokenWindows windows(1, ids.size());
        std::copy(ids.begin(), ids.end(), windows.data());
        const auto calibration = calibrate(*m, windows, {}, scratchDir("keep-logits") / "c.h5", *backend, {});
        QS_VERIFY_OK(calibration);
        nlohmann::json use = {{"id", id.toStdString()}};
        if (id == "percentile_smooth") use["percent"] = 10; // these models have few channels
        const auto recipe = Recipe::fromJson({{"version", 1},
                                              {"transforms", {use}},
                                              {"rules",
                                               {{{"match", "*"},
                                                 {"scheme",
                                                  {{"codec", "int"},
                                                   {"codec_params", {{"bits", 3}, {"group", -1}}},
                                                   {"method", "rtn"},
                                                   {"inputs", InputScheme::preset("int4")->toJson()}}}}}}},
                                             "test");
        QS_VERIFY_OK(recipe);
        const Plan plan = resolvePlan(*recipe, *m);
        const auto base = modelWeights(*m);
        const auto transformer = BlockTransformer::create(*m, plan, **calibration, *base);
        QS_VERIFY_OK(transformer);
        ScaledWeights scaled(base);
        size_t changed = 0;
        for (size_t b = 0; b < m->spec().blocks.size(); ++b) {
            SigmaBySite sigma;
            for (const std::string& site : transformer->sitesOf(b))
                if (auto s = (*calibration)->sigma(site)) {
                    const SiteRecord& record = *(*calibration)->find(site);
                    std::vector<double> sum;
                    for (const float mean : record.stats.mean)
                        sum.push_back(double(mean) * double(record.tokens));
                    sigma[site] = {std::move(*s), record.tokens, std::move(sum)};
                }
            auto block = transformer->transform(b, sigma, {});
            QS_VERIFY_OK(block);
            changed += block->scaling.tensors().size();
            scaled.blocks.push_back(std::move(*block));
        }
        QVERIFY(changed > 0);
        const bool shifts = (id == "outlier_suppression_plus" || id == "repquant") &&
                            m->spec().blocks[0].attentionNorms.before.kind == NormSpec::Kind::Layer;
        for (size_t b = 0; b < m->spec().blocks.size(); ++b)
            for (const FoldSpec& fold : m->spec().blocks[b].folds) {
                const TensorScaling* bias = scaled.blocks[b].scaling.find(fold.norm.bias);
                QCOMPARE(shifts && fold.producer == FoldSpec::Producer::Norm, bias && !bias->added.empty());
                if (!bias || bias->added.empty()) continue;
                const ChannelStats& seen = (*calibration)->find(fold.sites.front())->stats;
                // z_j = min_j + m range_j; RepQuant's m is the mean zero point in steps of the range.
                double share = 0.5;
                if (id == "repquant") {
                    share = 0;
                    for (size_t c = 0; c < seen.channels(); ++c)
                        share -=
                            double(seen.min[c]) / double(seen.max[c] - seen.min[c]) / double(seen.channels());
                }
                for (size_t c = 0; c < seen.channels(); ++c) {
                    const double z =
                        double(seen.min[c]) + share * (double(seen.max[c]) - double(seen.min[c]));
                    QVERIFY(std::fabs(double(bias->added[c]) + z) <= 1e-5);
                }
            }
        const auto before = computeLogits(m->spec(), *base, ids, *backend, {}),
                   after = computeLogits(m->spec(), scaled, ids, *backend, {});
        QS_VERIFY_OK(before);
        QS_VERIFY_OK(after);
        const double worst = largestDifference(before->span(), after->span());
        QVERIFY2(worst <= 1e-4, qPrintable(QString::number(worst)));
    }
};

QS_TEST(TransformsKeepLogits)
#include "tst_transforms_keep_logits.moc"
