// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/LayerCard.h"

#include "widgets/charts/ChartAxis.h"
#include "widgets/theme/Theme.h"

#include <QGridLayout>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>
#include <cmath>

namespace qs::ui {

namespace {

QString percent(double fraction) {
    return QStringLiteral("%1 %").arg(formatNumber(100 * fraction, 2));
}

QString strong(const QString& text) {
    return QStringLiteral("<b>%1</b>").arg(text);
}

/// "788, 1 415 and 400"
QString listed(const std::vector<size_t>& channels) {
    QString out;
    for (size_t i = 0; i < channels.size(); ++i) {
        if (i > 0) out += i + 1 == channels.size() ? LayerCard::tr(" and ") : QStringLiteral(", ");
        out += strong(groupedInteger(qint64(channels[i])));
    }
    return out;
}

QString whyNoActivations(ActivationsKnown known) {
    switch (known) {
    case ActivationsKnown::NotCalibrated:
        return LayerCard::tr(
            "Its inputs are not measured. Calibrate to see which channels carry the energy.");
    case ActivationsKnown::NoTokens:
        return LayerCard::tr("No calibration token reached this linear. Calibrate on more text.");
    default:
        return LayerCard::tr(
            "Inputs cannot be measured here: the architecture is not known. Weights alone decide.");
    }
}

QString errorText(const LayerFinding& f) {
    if (f.kind == LayerFinding::Kind::NearestError)
        return LayerCard::tr("Rounded to nearest, the %1 would be %2; its own method cannot be tried yet.")
            .arg(f.outputError ? LayerCard::tr("output error") : LayerCard::tr("weight error"),
                 strong(percent(f.value)));
    QString text = (f.outputError ? LayerCard::tr("Output error %1") : LayerCard::tr("Weight error %1"))
                       .arg(strong(percent(f.value)));
    if (!std::isnan(f.other))
        text += LayerCard::tr(", rounding to nearest would give %1").arg(percent(f.other));
    return text + QLatin1Char('.');
}

} // namespace

QString findingText(const LayerFinding& f) {
    using Kind = LayerFinding::Kind;
    switch (f.kind) {
    case Kind::EnergyInFew:
        return (f.channels.size() == 1
                    ? LayerCard::tr("Input channel %1 holds %2 of the activation energy (evenly: %3).")
                    : LayerCard::tr("Input channels %1 hold %2 of the activation energy (evenly: %3)."))
            .arg(listed(f.channels), strong(percent(f.value)), percent(f.other));
    case Kind::EnergySpread:
        return LayerCard::tr(
                   "No input channel stands out: the largest, %1, holds %2 of the activation energy.")
            .arg(listed(f.channels), percent(f.value));
    case Kind::NoActivations:
        return whyNoActivations(f.activations);
    case Kind::HeavyTails:
        return LayerCard::tr(
                   "Heavy tails: the weights' kurtosis is %1 (Gaussian 3). A few weights stretch the grid.")
            .arg(strong(formatNumber(f.value, 3)));
    case Kind::LightTails:
        return LayerCard::tr("Kurtosis %1, close to a Gaussian's 3: clipping gains little.")
            .arg(formatNumber(f.value, 3));
    case Kind::Kept:
        return LayerCard::tr("Kept in its source format: no error, no saving.");
    case Kind::Error:
    case Kind::NearestError:
        return errorText(f);
    case Kind::ErrorInOneGroup:
        return LayerCard::tr("Group %1 (inputs %2–%3%4) carries %5 of the error (evenly: %6).")
            .arg(strong(groupedInteger(qint64(f.group))), groupedInteger(qint64(f.first)),
                 groupedInteger(qint64(f.last)),
                 f.channels.empty() ? QString() : LayerCard::tr(", most active %1").arg(f.channels[0]),
                 strong(percent(f.value)), percent(f.other));
    }
    return {};
}

LayerCard::LayerCard(QWidget* parent)
    : QWidget(parent)
    , m_text(new QLabel)
    , m_options(new QWidget)
    , m_grid(new QGridLayout)
    , m_footer(new QLabel) {
    m_text->setTextFormat(Qt::RichText);
    m_text->setObjectName(QStringLiteral("layerCardText"));
    m_text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    for (QLabel* label : {m_text, m_footer})
        label->setWordWrap(true);
    m_grid->setContentsMargins(0, 4, 0, 2);
    m_grid->setHorizontalSpacing(8);
    m_grid->setVerticalSpacing(4);
    m_grid->setColumnStretch(1, 1);
    auto* options = new QVBoxLayout(m_options);
    options->setContentsMargins(0, 0, 0, 0);
    options->setSpacing(4);
    options->addLayout(m_grid);
    options->addWidget(m_footer);
    m_options->hide();
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(4);
    layout->addWidget(m_text);
    layout->addWidget(m_options);
    setAccessibleName(tr("Layer card"));
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, &LayerCard::applyColors);
}

void LayerCard::setData(const LayerCardData& data) {
    m_sentences = data.sentences;
    m_text->setText(data.sentences.join(QLatin1Char(' ')));
    m_footer->setText(data.footer);
    m_footer->setVisible(!data.footer.isEmpty());
    if (data.options.isEmpty()) m_options->hide();
    // Buttons are reused: one that has the focus keeps it.
    while (m_buttons.size() < data.options.size()) {
        const int i = int(m_buttons.size());
        auto* button = new QPushButton;
        button->setObjectName(QStringLiteral("layerOption%1").arg(i));
        auto* price = new QLabel;
        price->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
        m_grid->addWidget(button, i, 0);
        m_grid->addWidget(price, i, 1);
        m_buttons.push_back(button);
        m_prices.push_back(price);
        connect(button, &QPushButton::clicked, this, [this, i] { emit optionChosen(i); });
    }
    m_better.clear();
    for (int i = 0; i < m_buttons.size(); ++i) {
        const bool used = i < data.options.size();
        m_buttons[i]->setVisible(used);
        m_prices[i]->setVisible(used);
        if (!used) continue;
        const LayerCardOption& o = data.options[i];
        m_buttons[i]->setText(o.label);
        m_buttons[i]->setToolTip(o.hint);
        m_buttons[i]->setAccessibleDescription(o.price);
        m_prices[i]->setText(o.price);
        m_prices[i]->setToolTip(o.hint);
        m_better.push_back(o.better);
    }
    applyColors();
    // At last: what is shown one by one makes the card's texts be laid out as often.
    m_options->setVisible(!data.options.isEmpty());
}

QString LayerCard::price(int option) const {
    return option >= 0 && option < m_prices.size() ? m_prices[option]->text() : QString();
}

void LayerCard::applyColors() {
    const auto paint = [](QLabel* label, const QColor& color) {
        QPalette p = label->palette();
        p.setColor(QPalette::WindowText, color);
        label->setPalette(p);
    };
    paint(m_footer, theme().text3);
    for (int i = 0; i < m_better.size(); ++i)
        paint(m_prices[i], m_better[i] ? theme().ok : theme().text2);
}

} // namespace qs::ui
