// SPDX-License-Identifier: Apache-2.0
// The probe against the forward pass, against attention weights that an independent script computed, and on
// the sample model, whose outlier channels are known.
#include "core/calibrate/probe.h"
#include "core/model/weights.h"
#include "tests/support/small_model.h"
#include "tests/unit/architecture/golden_case.h"

#include <set>

using namespace qs;
using namespace qs::test;

namespace {

Result<ProbeResult> probeCase(const std::string& name, std::vector<std::string> sites, bool trace = true) {
    ProbeRequest request;
    request.tokens = goldenTokens(name);
    request.sites = std::move(sites);
    request.trace = trace;
    const auto model = openCase(name);
    const auto backend = makeCpuBackend(2);
    return probe(model->spec(), *modelWeights(*model), request, *backend, {});
}

const Matrix& at(const ProbeResult& r, const std::string& site) {
    for (const ProbeSite& s : r.sites)
        if (s.site == site) return *s.values;
    qFatal("site %s was not recorded", site.c_str());
}

} // namespace

class ProbeTest : public QObject {
    Q_OBJECT
private slots:
    void attentionReceived_data() {
        QTest::addColumn<QString>("name");
        for (const char* name :
             {"llama", "gemma2", "bloom", "falcon_7b", "falcon_rw", "bert", "qwen3", "mixtral"})
            QTest::newRow(name) << QString::fromLatin1(name);
    }
    void attentionReceived() {
        QFETCH(QString, name);
        const auto result = probeCase(name.toStdString(), {});
        QS_VERIFY_OK(result);
        const auto expected =
            readNpyFloat(sourceDir() / "tests/golden/probe" / (name.toStdString() + ".npy"));
        QS_VERIFY_OK(expected);
        QCOMPARE(expected->values.size(), result->received.size());
        double worst = 0;
        for (size_t b = 0; b < result->received.rows(); ++b) {
            double sum = 0, even = 0;
            for (size_t j = 0; j < result->received.cols(); ++j) {
                sum += result->received(b, j);
                even += result->even(b, j);
                worst = std::max(worst, std::fabs(result->received(b, j) -
                                                  double(expected->values[b * result->received.cols() + j])));
            }
            QVERIFY(std::fabs(sum - 1) <= 1e-9);
            QVERIFY(std::fabs(even - 1) <= 1e-9);
        }
        qInfo("largest difference %.3g", worst);
        QVERIFY(worst <= 2e-6);
    }

    /// stream behind a half = stream before it + what the half wrote, for a block of the Llama shape.
    void residualIsTheSumOfItsPieces() {
        const auto model = openCase("llama");
        const auto weights = modelWeights(*model);
        const auto result =
            probeCase("llama", {"embedding", "layers.0.o", "layers.0.residual_attn", "layers.0.down",
                                "layers.0.residual", "layers.1.residual_attn", "layers.1.o"});
        QS_VERIFY_OK(result);
        const auto checkSum = [&](const char* before, const char* input, const LinearSpec& linear,
                                  const char* after, size_t point) {
            const auto w = weights->matrix(linear.weight);
            QS_VERIFY_OK(w);
            const Matrix &a = at(*result, before), &x = at(*result, input), &b = at(*result, after);
            const ResidualTrace& trace = result->trace;
            QCOMPARE(trace.points[point].writer, linear.module);
            double worst = 0;
            for (size_t c = 0; c < b.cols(); ++c) {
                double largest = 0, stream = 0;
                for (size_t t = 0; t < b.rows(); ++t) {
                    double y = 0;
                    for (size_t j = 0; j < x.cols(); ++j)
                        y += double((*w)(c, j)) * double(x(t, j));
                    worst = std::max(worst, std::fabs(double(a(t, c)) + y - double(b(t, c))));
                    largest = std::max(largest, std::fabs(y));
                    stream = std::max(stream, std::fabs(double(b(t, c))));
                }
                QVERIFY(std::fabs(std::fabs(double(trace.written[point][c].value)) - largest) <= 1e-4);
                const Peak peak = trace.peak(point, c);
                QCOMPARE(std::fabs(peak.value), float(stream));
                QCOMPARE(b(peak.token, c), peak.value);
            }
            QVERIFY2(worst <= 1e-4, qPrintable(QString::number(worst)));
        };
        const BlockSpec& first = model->spec().blocks[0];
        checkSum("embedding", "layers.0.o", first.attention.o, "layers.0.residual_attn", 1);
        checkSum("layers.0.residual_attn", "layers.0.down", first.mlp.down, "layers.0.residual", 2);
        checkSum("layers.0.residual", "layers.1.o", model->spec().blocks[1].attention.o,
                 "layers.1.residual_attn", 3);
    }

    /// A parallel block adds both halves to the same stream.
    void parallelBlock() {
        const auto model = openCase("falcon_7b");
        const auto weights = modelWeights(*model);
        const BlockSpec& b = model->spec().blocks[0];
        const auto result = probeCase("falcon_7b", {"embedding", b.attention.o.site, b.mlp.down.site,
                                                    "layers.0.residual_attn", "layers.0.residual"});
        QS_VERIFY_OK(result);
        QVERIFY(b.parallel);
        const auto o = weights->matrix(b.attention.o.weight), down = weights->matrix(b.mlp.down.weight);
        QS_VERIFY_OK(o);
        QS_VERIFY_OK(down);
        const auto product = [](const Matrix& w, size_t c, const Matrix& x, size_t t) {
            double y = 0;
            for (size_t j = 0; j < x.cols(); ++j)
                y += double(w(c, j)) * double(x(t, j));
            return y;
        };
        for (size_t t = 0; t < 24; t += 5)
            for (size_t c = 0; c < model->spec().hidden; c += 3) {
                const double attention = product(*o, c, at(*result, b.attention.o.site), t);
                const double feed = product(*down, c, at(*result, b.mlp.down.site), t);
                const double before = at(*result, "embedding")(t, c);
                QVERIFY(std::fabs(before + attention - at(*result, "layers.0.residual_attn")(t, c)) <= 1e-4);
                QVERIFY(std::fabs(before + attention + feed - at(*result, "layers.0.residual")(t, c)) <=
                        1e-4);
            }
        QVERIFY(!result->trace.normed[1].empty());
        QVERIFY(!result->trace.written[2].empty());
    }

    void lastPointFeedsTheHead() {
        // logits = head weight x final norm: golden logits from the recorded final norm.
        const auto model = openCase("llama");
        const auto result = probeCase("llama", {"final_norm"}, false);
        QS_VERIFY_OK(result);
        QVERIFY(result->trace.points.empty());
        const auto head = modelWeights(*model)->matrix(model->spec().head.weight);
        QS_VERIFY_OK(head);
        const auto expected = readNpyFloat(goldenCase("llama") / "logits.npy");
        QS_VERIFY_OK(expected);
        const Matrix& x = at(*result, "final_norm");
        double worst = 0;
        for (size_t t = 0; t < x.rows(); ++t)
            for (size_t v = 0; v < head->rows(); ++v) {
                double y = 0;
                for (size_t c = 0; c < x.cols(); ++c)
                    y += double((*head)(v, c)) * double(x(t, c));
                worst = std::max(worst, std::fabs(y - double(expected->values[t * head->rows() + v])));
            }
        QVERIFY2(worst <= 1e-4, qPrintable(QString::number(worst)));
    }

    void everyGoldenCaseRuns() {
        for (const auto& entry : std::filesystem::directory_iterator(sourceDir() / "tests/golden/arch")) {
            const std::string name = entry.path().filename();
            const auto model = openCase(name);
            const std::vector<std::string> sites = probeSites(model->spec());
            const auto result = probeCase(name, sites);
            QS_VERIFY_OK(result);
            QCOMPARE(result->sites.size(), sites.size());
            for (size_t i = 0; i < sites.size(); ++i) {
                QVERIFY2(std::find(sites.begin(), sites.end(), result->sites[i].site) != sites.end(),
                         name.c_str());
                QCOMPARE(result->sites[i].values->rows(), size_t(24));
            }
            const size_t blocks = model->spec().blocks.size();
            QCOMPARE(result->trace.points.size(), 2 * blocks + 1 + (model->spec().head.norm ? 1 : 0));
            for (size_t b = 0; b < blocks; ++b) {
                double sum = 0;
                for (size_t j = 0; j < 24; ++j)
                    sum += result->received(b, j);
                QVERIFY2(std::fabs(sum - 1) <= 1e-9, name.c_str());
            }
        }
    }

    void whatTheStreamTouches() {
        const auto model = openCase("llama");
        const ModelSpec& spec = model->spec();
        for (const char* site :
             {"embedding", "layers.0.attn", "layers.1.mlp", "layers.1.residual", "final_norm"})
            QVERIFY2(isStreamSite(spec, site), site);
        for (const char* site : {"layers.0.o", "layers.1.down", "layers.2.residual", ""})
            QVERIFY2(!isStreamSite(spec, site), site);
        QVERIFY(writesStream(spec, spec.blocks[0].attention.o.module));
        QVERIFY(writesStream(spec, spec.blocks[1].mlp.down.module));
        QVERIFY(!writesStream(spec, spec.blocks[1].mlp.up.module));
    }

    void stopsBehindTheLastSite() {
        const auto model = openCase("llama");
        ProbeRequest request;
        request.tokens = goldenTokens("llama");
        request.sites = {"layers.0.attn"};
        request.trace = false;
        const auto backend = makeCpuBackend(2);
        const auto result = probe(model->spec(), *modelWeights(*model), request, *backend, {});
        QS_VERIFY_OK(result);
        QCOMPARE(result->blocks, size_t(1));
        request.sites = {"embedding"};
        const auto none = probe(model->spec(), *modelWeights(*model), request, *backend, {});
        QS_VERIFY_OK(none);
        QCOMPARE(none->blocks, size_t(0));
    }

    void refusesAndCancels() {
        const auto model = openCase("llama");
        const auto weights = modelWeights(*model);
        const auto backend = makeCpuBackend(2);
        ProbeRequest request;
        request.tokens = {5};
        const auto refused = [&](const char* words) {
            const auto r = probe(model->spec(), *weights, request, *backend, {});
            return !r && r.error().describe().find(words) != std::string::npos;
        };
        QVERIFY(refused("got 1"));
        request.tokens = {5, 100000};
        QVERIFY(refused("100000"));
        request.tokens = {5, 6};
        request.sites = {"layers.9.attn"};
        QVERIFY(refused("layers.9.attn"));
        request.sites = {};
        request.classes = {TokenClass::First};
        QVERIFY(refused("1 classes"));
        request.classes = {};
        std::stop_source stop;
        stop.request_stop();
        const auto cancelled =
            probe(model->spec(), *weights, request, *backend, JobContext(stop.get_token()));
        QVERIFY(!cancelled && cancelled.error().isCancelled());
    }

    /// resources/sample/README.md: the channels whose norm gains were multiplied, and nothing else.
    void sampleOutliers() {
        const auto model = openModel(sampleModel());
        QS_VERIFY_OK(model);
        const auto text = readTextFile(sampleModel().parent_path() / "texts/calibration.txt");
        QS_VERIFY_OK(text);
        const auto windows = windowsFromText(*(*model)->tokenizer(), *text, 256, 1);
        QS_VERIFY_OK(windows);
        ProbeRequest request;
        request.tokens.assign(windows->span().begin(), windows->span().end());
        request.classes = tokenClasses(request.tokens, *(*model)->tokenizer());
        request.sites = {"layers.0.attn", "layers.1.down", "layers.2.mlp", "layers.2.residual"};
        const auto backend = makeCpuBackend(2);
        const auto result = probe((*model)->spec(), *modelWeights(**model), request, *backend, {});
        QS_VERIFY_OK(result);
        const auto channels = [&](const char* site) {
            std::set<size_t> found;
            const auto m = massiveActivations(at(*result, site).view(), MassiveRule{}, 100000);
            for (const MassiveActivation& a : m.largest)
                found.insert(a.channel);
            return found;
        };
        QCOMPARE(channels("layers.0.attn"), (std::set<size_t>{40, 56, 179}));
        QCOMPARE(channels("layers.2.mlp"), (std::set<size_t>{24, 109, 210}));
        QCOMPARE(channels("layers.2.residual"), std::set<size_t>{});
        const std::set<size_t> down = channels("layers.1.down");
        QVERIFY(down.count(625) && down.count(556));
        // The stream itself has no massive channel: the norms make them.
        const std::vector<size_t> telling = tellingChannels(result->trace, MassiveRule{}, 10);
        QCOMPARE(std::set<size_t>(telling.begin(), telling.end()),
                 (std::set<size_t>{24, 40, 56, 109, 179, 210}));
        const ChannelPath path = channelPath(result->trace, 210, {}, MassiveRule{});
        QVERIFY(!path.born);
        QVERIFY(path.amplifiedBy.has_value());
        QCOMPARE(result->trace.gains[*path.amplifiedBy].block, size_t(2));
        QVERIFY(path.gainRatio >= 30 && path.gainRatio <= 200); // 64 times its trained gain
        // No single weight makes a large output: the columns were divided.
        QVERIFY(superWeights(result->spikes, MassiveRule{}).empty());
        QCOMPARE(request.classes[0], TokenClass::First);
    }
};

QS_TEST(ProbeTest)
#include "tst_probe.moc"
