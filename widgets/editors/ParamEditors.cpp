// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/editors/ParamEditors.h"

#include <QSignalBlocker>
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace qs::ui {

namespace {

constexpr int kDecimals = 12;

int asInt(double v) {
    // One below the minimum must stay free: it stands for "mixed".
    return int(
        std::clamp(v, double(std::numeric_limits<int>::min()) + 1, double(std::numeric_limits<int>::max())));
}

QString suffixOf(const ParamSpec& spec) {
    return spec.unit.empty() ? QString() : QLatin1Char(' ') + QString::fromStdString(spec.unit);
}

} // namespace

IntEdit::IntEdit(const ParamSpec& spec, QWidget* parent)
    : QSpinBox(parent), m_lo(asInt(spec.minimum)), m_hi(asInt(spec.maximum)), m_suffix(suffixOf(spec)) {
    const long long def = std::get<long long>(spec.defaultValue);
    m_geometric = m_hi >= 1024 && def >= 8 && std::has_single_bit(static_cast<unsigned long long>(def));
    setKeyboardTracking(false);
    setCorrectionMode(QAbstractSpinBox::CorrectToNearestValue);
    setAlignment(Qt::AlignRight);
    showValue(def);
    connect(this, &QSpinBox::valueChanged, this, [this](int v) {
        if (v < m_lo) return;
        if (isMixed()) showValue(v);
        emit userChanged(v);
    });
}

void IntEdit::showValue(long long value) {
    const QSignalBlocker quiet(this);
    setSpecialValueText({});
    setSuffix(m_suffix);
    setRange(m_lo, m_hi);
    setValue(int(std::clamp<long long>(value, m_lo, m_hi)));
}

void IntEdit::showMixed() {
    const QSignalBlocker quiet(this);
    setRange(m_lo - 1, m_hi);
    setSpecialValueText(tr("mixed"));
    setValue(m_lo - 1);
}

int IntEdit::geometricStep(int from, bool up) const {
    constexpr int kSmallest = 8;
    if (up) {
        if (from < 0) return from + 1;
        if (from < kSmallest) return kSmallest;
        return int(std::min<unsigned>(std::bit_floor(unsigned(from)), 1u << 29) * 2);
    }
    if (from <= 0) return from - 1;
    if (from <= kSmallest) return 0;
    const unsigned below = std::bit_floor(unsigned(from));
    return int(below == unsigned(from) ? below / 2 : below);
}

void IntEdit::stepBy(int steps) {
    if (!m_geometric || isMixed()) {
        QSpinBox::stepBy(steps);
        return;
    }
    int v = value();
    for (int i = 0; i < std::abs(steps); ++i)
        v = std::clamp(geometricStep(v, steps > 0), m_lo, m_hi);
    setValue(v);
    selectAll();
}

FloatEdit::FloatEdit(const ParamSpec& spec, QWidget* parent)
    : QDoubleSpinBox(parent), m_lo(spec.minimum), m_hi(spec.maximum), m_suffix(suffixOf(spec)) {
    setDecimals(kDecimals);
    setKeyboardTracking(false);
    setStepType(QAbstractSpinBox::AdaptiveDecimalStepType);
    setAlignment(Qt::AlignRight);
    showValue(std::get<double>(spec.defaultValue));
    connect(this, &QDoubleSpinBox::valueChanged, this, [this](double v) {
        if (v < m_lo) return;
        if (minimum() < m_lo) showValue(v);
        emit userChanged(v);
    });
}

void FloatEdit::showValue(double value) {
    const QSignalBlocker quiet(this);
    setSpecialValueText({});
    setSuffix(m_suffix);
    setRange(m_lo, m_hi);
    setValue(std::clamp(value, m_lo, m_hi));
}

void FloatEdit::showMixed() {
    const QSignalBlocker quiet(this);
    setRange(m_lo - 1, m_hi);
    setSpecialValueText(tr("mixed"));
    setValue(m_lo - 1);
}

QString FloatEdit::textFromValue(double value) const {
    QLocale plain = locale();
    plain.setNumberOptions(QLocale::OmitGroupSeparator);
    QString text = plain.toString(value, 'f', kDecimals);
    const QString mark = plain.decimalPoint();
    if (!text.contains(mark)) return text;
    while (text.endsWith(plain.zeroDigit()))
        text.chop(1);
    if (text.endsWith(mark)) text.chop(mark.size());
    return text;
}

} // namespace qs::ui
