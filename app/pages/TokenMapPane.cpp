// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TokenMapPane.h"

#include "widgets/models/Metric.h"
#include "widgets/views/Chip.h"
#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/ToolRow.h"

#include <QComboBox>
#include <QLabel>
#include <QSpinBox>
#include <QVBoxLayout>
#include <cmath>

namespace qs::app {

TokenMapPane::TokenMapPane(ProbeState* state, QWidget* parent)
    : QWidget(parent)
    , m_state(state)
    , m_row(new ui::ToolRow)
    , m_site(new QComboBox)
    , m_window(new QSpinBox)
    , m_mode(new ui::SegmentedButtons)
    , m_rule(new QComboBox)
    , m_pooling(new ui::Chip)
    , m_map(new ui::TokenMapWidget) {
    setObjectName(QStringLiteral("tokenMapPane"));
    m_map->setObjectName(QStringLiteral("tokenMap"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    makeToolRow();
    layout->addWidget(m_row);
    layout->addWidget(m_map, 1);
    connect(m_map, &ui::TokenMapWidget::crosshairMoved, this, [this](int channel, int token) {
        m_state->setCrosshair({channel, token});
    });
    connect(m_map, &ui::TokenMapWidget::channelActivated, this, &TokenMapPane::traceRequested);
    connect(m_map, &ui::TokenMapWidget::rangeChanged, this, &TokenMapPane::showPooling);
    connect(state, &ProbeState::requestChanged, this, &TokenMapPane::showRequest);
    connect(state, &ProbeState::tokensChanged, this, &TokenMapPane::showRequest);
    connect(state, &ProbeState::mapChanged, this, &TokenMapPane::showMap);
    connect(state, &ProbeState::crosshairChanged, this,
            [this] { m_map->setCrosshair(m_state->crosshair()); });
    showRequest();
    showMap();
}

void TokenMapPane::setTitleVisible(bool visible) {
    m_title->setVisible(visible);
}

void TokenMapPane::makeToolRow() {
    m_title = m_row->addTitle(tr("Tokens × channels"));
    m_row->addLabel(tr("site"))->setBuddy(m_site);
    m_site->setObjectName(QStringLiteral("tokenSite"));
    m_site->setAccessibleName(tr("Site"));
    m_site->setToolTip(
        tr("The activation shown: the input of linears, or the residual stream behind a half of a "
           "block. → follows the tensor."));
    m_site->setMinimumContentsLength(16);
    m_site->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_row->addWidget(m_site);
    m_row->addLabel(tr("window"))->setBuddy(m_window);
    m_window->setObjectName(QStringLiteral("tokenWindow"));
    m_window->setAccessibleName(tr("Window of tokens"));
    m_window->setKeyboardTracking(false);
    m_window->setToolTip(tr("Which window of the calibration, or of the built-in text, is run."));
    m_row->addWidget(m_window);
    m_of = m_row->addLabel({});
    m_mode->setObjectName(QStringLiteral("tokenMode"));
    m_mode->addSegment(tr("|x|"), tr("Magnitude, logarithmic"));
    m_mode->addSegment(tr("Signed"), tr("Signed, linear near zero and logarithmic far out"));
    m_mode->addSegment(tr("z"),
                       tr("z = (x − median) / (1.4826 × median |x − median|) over the channels of the "
                          "token; beyond 10 it stands out"));
    m_mode->setCurrentIndex(0);
    m_row->addWidget(m_mode);
    m_row->addOptional(m_pooling);
    m_row->addStretch();
    m_row->addLabel(tr("massive"))->setBuddy(m_rule);
    m_rule->setObjectName(QStringLiteral("massiveRule"));
    m_rule->setAccessibleName(tr("Rule for massive activations"));
    for (const MassiveRule& rule : {MassiveRule{}, MassiveRule{100, 0}, MassiveRule::published()})
        m_rule->addItem(tr("≥ %1").arg(ruleText(rule)), QVariant::fromValue(QPointF(rule.ratio, rule.floor)));
    m_rule->setItemData(0, tr("Ordinary values end near 10 times the median |x| in models of any size."),
                        Qt::ToolTipRole);
    m_rule->setItemData(2, tr("Sun et al. 2024, for hidden states of models of 7 B parameters and more"),
                        Qt::ToolTipRole);
    m_row->addWidget(m_rule);
    connect(m_site, &QComboBox::activated, this,
            [this](int i) { m_state->setSite(m_site->itemData(i).toString()); });
    connect(m_window, &QSpinBox::valueChanged, this, [this](int n) {
        if (!m_updating) m_state->setWindow(n - 1);
    });
    connect(m_mode, &ui::SegmentedButtons::currentChanged, this,
            [this](int i) { m_map->setMode(ui::TokenMode(std::max(0, i))); });
    connect(m_rule, &QComboBox::activated, this, [this](int i) {
        const QPointF rule = m_rule->itemData(i).toPointF();
        m_state->setRule({rule.x(), rule.y()});
    });
}

void TokenMapPane::showRequest() {
    m_updating = true;
    const QStringList sites = m_state->sites();
    // The first entry follows the current tensor.
    const QString following =
        m_state->chosenSite().isEmpty() ? tr("→ %1").arg(m_state->site()) : tr("of the tensor");
    if (m_site->count() != sites.size() + 1 || m_site->itemData(1).toString() != sites.value(0)) {
        m_site->clear();
        m_site->addItem(following, QString());
        for (const QString& s : sites)
            m_site->addItem(s == QLatin1String("embedding") ? tr("embedding") : s, s);
    }
    m_site->setItemText(0, following);
    m_site->setCurrentIndex(std::max(0, m_site->findData(m_state->chosenSite())));
    const auto tokens = m_state->tokens();
    m_window->setRange(1, tokens ? tokens->count : std::max(1, m_state->window() + 1));
    m_window->setValue(m_state->window() + 1);
    QString of;
    if (tokens) {
        of = tr("of %1").arg(tokens->count);
        if (tokens->length > tokens->ids.size()) of += tr(", first %1 tokens").arg(tokens->ids.size());
        m_window->setToolTip(tr("Windows of the %1, %2 tokens each").arg(tokens->source).arg(tokens->length));
    }
    m_of->setText(of);
    m_row->setProgress(m_state->progress());
    m_updating = false;
    if (!m_state->map()) showMap();
}

QString TokenMapPane::emptyText() const {
    if (const QString why = m_state->blocker(); !why.isEmpty()) return why;
    if (!m_state->error().isEmpty()) return m_state->error();
    return tr("Running the window through the model");
}

void TokenMapPane::showMap() {
    const auto map = m_state->map();
    if (map) {
        m_map->setData(map->picture);
        m_map->setCrosshair(m_state->crosshair());
    } else {
        auto empty = std::make_shared<ui::TokenMapData>();
        empty->emptyText = emptyText();
        m_map->setData(std::move(empty));
    }
    showPooling();
}

void TokenMapPane::showPooling() {
    if (!m_state->map()) return m_pooling->setText({});
    const double perPixel = 1 / m_map->currentLayout().pixelsPerChannel();
    m_pooling->setText(perPixel > 1 ? tr("absmax of %n channels per pixel", nullptr, int(std::ceil(perPixel)))
                                    : tr("every channel"));
}

} // namespace qs::app
