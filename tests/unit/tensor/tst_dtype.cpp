// SPDX-License-Identifier: Apache-2.0
#include "core/tensor/dtype.h"

#include "core/tensor/matrix.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <cstring>

using namespace qs;

class TestDType : public QObject {
    Q_OBJECT
private slots:
    void namesAndSizes_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<int>("bits");
        QTest::addColumn<bool>("floating");
        QTest::addColumn<bool>("convertible");
        QTest::newRow("F32") << "F32" << 32 << true << true;
        QTest::newRow("F16") << "F16" << 16 << true << true;
        QTest::newRow("BF16") << "BF16" << 16 << true << true;
        QTest::newRow("F64") << "F64" << 64 << true << true;
        QTest::newRow("I8") << "I8" << 8 << false << false;
        QTest::newRow("U8") << "U8" << 8 << false << false;
        QTest::newRow("I16") << "I16" << 16 << false << false;
        QTest::newRow("U16") << "U16" << 16 << false << false;
        QTest::newRow("I32") << "I32" << 32 << false << false;
        QTest::newRow("U32") << "U32" << 32 << false << false;
        QTest::newRow("I64") << "I64" << 64 << false << false;
        QTest::newRow("U64") << "U64" << 64 << false << false;
        QTest::newRow("BOOL") << "BOOL" << 8 << false << false;
        QTest::newRow("F8_E4M3") << "F8_E4M3" << 8 << true << false;
        QTest::newRow("F8_E5M2") << "F8_E5M2" << 8 << true << false;
        QTest::newRow("F8_E8M0") << "F8_E8M0" << 8 << true << false;
    }
    void namesAndSizes() {
        QFETCH(QString, name);
        QFETCH(int, bits);
        QFETCH(bool, floating);
        QFETCH(bool, convertible);
        const auto type = dtypeFromName(name.toStdString());
        QS_VERIFY_OK(type);
        QCOMPARE(QString::fromStdString(std::string(dtypeInfo(*type).name)), name);
        QCOMPARE(dtypeInfo(*type).type, *type);
        QCOMPARE(dtypeInfo(*type).bits, bits);
        QCOMPARE(dtypeInfo(*type).floating, floating);
        QCOMPARE(convertibleToFloat(*type), convertible);
    }

    void unknownNames() {
        for (const char* name : {"", "f32", "F33", "F32 ", "complex"}) {
            const auto type = dtypeFromName(name);
            QVERIFY(!type);
            QVERIFY(type.error().message.find("F32, F16, BF16") != std::string::npos);
        }
    }

    void everyConvertibleType() {
        const float values[] = {1.5f, -2.0f, 0.0f};
        const double wide[] = {1.5, -2.0, 1e-100};
        const uint16_t half[] = {0x3E00, 0xC000, 0}, bfloat[] = {0x3FC0, 0xC000, 0};
        const auto check = [&](DType type, const void* bytes, size_t n) {
            float out[3] = {9, 9, 9};
            QS_VERIFY_OK(toFloat(type, {static_cast<const std::byte*>(bytes), n}, out));
            QVERIFY(std::memcmp(out, values, sizeof values) == 0);
        };
        check(DType::F32, values, sizeof values);
        check(DType::F64, wide, sizeof wide);
        check(DType::F16, half, sizeof half);
        check(DType::BF16, bfloat, sizeof bfloat);
        for (const auto& [type, expected] :
             {std::pair<DType, const void*>(DType::F16, half), {DType::BF16, bfloat}}) {
            std::byte out[6];
            QS_VERIFY_OK(fromFloat(values, type, out));
            QVERIFY(std::memcmp(out, expected, sizeof out) == 0);
        }
        std::byte same[12];
        QS_VERIFY_OK(fromFloat(values, DType::F32, same));
        QVERIFY(std::memcmp(same, values, sizeof same) == 0);
    }

    void doublesRoundToNearestEven() {
        // 1 + 2^-24 lies between 1 and 1 + 2^-23: even is 1. 1 + 3 * 2^-24: even is 1 + 2^-22.
        const double in[] = {1 + 0x1p-24, 1 + 3 * 0x1p-24, 1e300, -1e300, std::nan("")};
        float out[5];
        QS_VERIFY_OK(toFloat(DType::F64, std::as_bytes(std::span(in)), out));
        QCOMPARE(out[0], 1.0f);
        QCOMPARE(out[1], 1 + 0x1p-22f);
        QVERIFY(std::isinf(out[2]) && out[2] > 0);
        QVERIFY(std::isinf(out[3]) && out[3] < 0);
        QVERIFY(std::isnan(out[4]));
    }

    void wrongSizesAndTypes() {
        float out[2] = {};
        std::byte bytes[8] = {};
        QCOMPARE(toFloat(DType::F32, std::span(bytes, 7), out).error().code, ErrorCode::InvalidArgument);
        QCOMPARE(toFloat(DType::F16, std::span(bytes, 8), out).error().code, ErrorCode::InvalidArgument);
        QCOMPARE(toFloat(DType::I8, std::span(bytes, 2), out).error().code, ErrorCode::Unsupported);
        QCOMPARE(toFloat(DType::F8E4M3, std::span(bytes, 2), out).error().code, ErrorCode::Unsupported);
        QCOMPARE(fromFloat(out, DType::F32, std::span(bytes, 4)).error().code, ErrorCode::InvalidArgument);
        QCOMPARE(fromFloat(out, DType::F64, std::span(bytes, 8)).error().code, ErrorCode::Unsupported);
        QS_VERIFY_OK(toFloat(DType::BF16, {}, {}));
        QS_VERIFY_OK(fromFloat({}, DType::BF16, {}));
    }

    void matrices() {
        Matrix m(3, 5);
        QCOMPARE(reinterpret_cast<uintptr_t>(m.data()) % 64, uintptr_t(0));
        for (size_t i = 0; i < m.size(); ++i) {
            QCOMPARE(m.data()[i], 0.0f);
            m.data()[i] = float(i);
        }
        const ConstMatrixView block = m.view().block(1, 2, 2, 2);
        QCOMPARE(block(0, 0), 7.0f);  // row 1, column 2 of 5
        QCOMPARE(block(1, 1), 13.0f); // row 2, column 3
        QVERIFY(!block.contiguous());
        QCOMPARE(block.rowSpan(1)[0], 12.0f);
        Matrix copy = m.clone();
        copy(0, 0) = 100;
        QCOMPARE(m(0, 0), 0.0f);
        const Matrix moved = std::move(copy);
        QCOMPARE(moved(0, 0), 100.0f);
        QVERIFY(Matrix(0, 4).empty());
        QVERIFY(Matrix(0, 4).data() == nullptr);
    }
};

QS_TEST(TestDType)
#include "tst_dtype.moc"
