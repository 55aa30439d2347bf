// SPDX-License-Identifier: GPL-3.0-or-later
// LayerCard: what the numbers of one linear say, in sentences, and options as buttons that state their price
// first.
#pragma once

#include "core/metrics/layer_card.h"

#include <QVector>
#include <QWidget>

class QGridLayout;
class QLabel;
class QPushButton;

namespace qs::ui {

struct LayerCardOption {
    QString label;       ///< "Raise to 5 bits"
    QString price;       ///< "+0.03 MiB · −48 % err"
    QString hint;        ///< tooltip: the numbers behind the price
    bool better = false; ///< the price is good news
};

struct LayerCardData {
    QStringList sentences; ///< rich text
    QVector<LayerCardOption> options;
    QString footer; ///< what it was measured on
};

/// The sentence of a finding, as rich text.
QString findingText(const LayerFinding& finding);

class LayerCard : public QWidget {
    Q_OBJECT
public:
    explicit LayerCard(QWidget* parent = nullptr);
    void setData(const LayerCardData& data);
    QStringList sentences() const { return m_sentences; }
    QPushButton* button(int option) const { return m_buttons.value(option); }
    QString price(int option) const;

signals:
    void optionChosen(int option);

private:
    void applyColors();

    QLabel* m_text;
    QWidget* m_options; ///< buttons, prices and footer
    QGridLayout* m_grid;
    QLabel* m_footer;
    QStringList m_sentences;
    QVector<QPushButton*> m_buttons;
    QVector<QLabel*> m_prices;
    QVector<bool> m_better;
};

} // namespace qs::ui
