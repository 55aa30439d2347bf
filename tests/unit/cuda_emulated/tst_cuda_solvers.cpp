// SPDX-License-Identifier: Apache-2.0
// Methods on an emulated device beside the CPU: whole layers, in device memory and without enough of it.
#include "tests/support/emulated_device.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

#include <cmath>

using namespace qs;
using emulation::machine;
using nlohmann::json;
using test::device;
using test::taken;

namespace {

std::shared_ptr<const Codec> codecOf(const QString& id, const QString& params) {
    const CodecDescriptor* c = *findCodec(id.toStdString());
    return taken(c->create(*Params::fromJson(c->params, json::parse(params.toStdString()), "grid")));
}

} // namespace

class CudaSolvers : public QObject {
    Q_OBJECT
private slots:
    void init() { test::resetMachine(); }
    void cleanup() { QCOMPARE(machine().usedBytes, size_t(0)); }

    void layersAreAsOnTheCpu_data() {
        QTest::addColumn<QString>("method");
        QTest::addColumn<QString>("codec");
        QTest::addColumn<QString>("grid");
        QTest::addColumn<QString>("params");
        const QString groups = R"({"bits":3,"group":64})";
        QTest::newRow("gptq") << "gptq"
                              << "int" << groups << "{}";
        QTest::newRow("blocks of 48") << "gptq"
                                      << "int" << groups << R"({"block_size":48})";
        QTest::newRow("groups longer than blocks") << "gptq"
                                                   << "int"
                                                   << R"({"bits":4,"group":96})"
                                                   << R"({"block_size":40})";
        QTest::newRow("order") << "gptq"
                               << "int" << groups << R"({"act_order":true})";
        QTest::newRow("levels") << "gptq"
                                << "nf"
                                << R"({"bits":4,"group":64})"
                                << "{}";
        QTest::newRow("kept weights") << "spqr"
                                      << "int" << groups << "{}";
        QTest::newRow("zeros") << "sparse24"
                               << "int" << groups << "{}";
        QTest::newRow("coordinate descent") << "quantease"
                                            << "int" << groups << "{}";
    }
    void layersAreAsOnTheCpu() {
        QFETCH(QString, method);
        QFETCH(QString, codec);
        QFETCH(QString, grid);
        QFETCH(QString, params);
        const test::Layer layer = test::makeLayer(70, 192, 400, 1);
        const auto cpu = makeCpuBackend(), gpu = device();
        const auto c = codecOf(codec, grid);
        const auto solve = [&](Backend& backend) {
            return taken(
                test::runMethod(method.toStdString(), layer, *c, backend, json::parse(params.toStdString())));
        };
        const QuantizedTensor a = solve(*cpu), b = solve(*gpu);
        QVERIFY(machine().launches > 0);
        QVERIFY(gpu->takeNotes().empty());
        // Sums of products in another order: a weight between two codes may take the other one.
        size_t different = 0;
        for (size_t i = 0; i < a.codes.size(); ++i)
            different += a.codes[i] != b.codes[i];
        QVERIFY2(double(different) <= 0.02 * double(a.codes.size()), qPrintable(QString::number(different)));
        const auto error = [&](const QuantizedTensor& q) {
            return test::outputError(layer, taken(qs::codecOf(q))->dequantize(q));
        };
        const double expected = error(a), got = error(b);
        QVERIFY2(std::fabs(got - expected) <= 0.01 * expected,
                 qPrintable(QString("%1 instead of %2").arg(got).arg(expected)));
    }
    // The processor goes on where the layer does not fit, and the device can be used afterwards.
    void aLayerThatDoesNotFit() {
        const test::Layer layer = test::makeLayer(70, 192, 400, 1);
        const auto cpu = makeCpuBackend(), gpu = device();
        machine().memoryBytes = size_t(200) << 10; // the factor alone takes 288 KiB
        const auto c = codecOf("int", R"({"bits":3,"group":64})");
        const QuantizedTensor a = taken(test::runMethod("gptq", layer, *c, *cpu)),
                              b = taken(test::runMethod("gptq", layer, *c, *gpu));
        QCOMPARE(a.codes, b.codes);
        QCOMPARE(gpu->takeNotes().size(), size_t(1));
        QS_VERIFY_OK(gpu->allocate(8, 8));
    }
};

QS_TEST(CudaSolvers)
#include "tst_cuda_solvers.moc"
