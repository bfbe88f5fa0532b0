"""Networks that are large enough to be named; whoever comes from another is one of many others."""

from __future__ import annotations

OTHER = "other"
UNKNOWN = "unknown"
NETWORKS = {
    "7922": "Comcast", "701": "Verizon", "7018": "AT&T", "20115": "Charter", "22773": "Cox",
    "21928": "T-Mobile US", "577": "Bell Canada", "812": "Rogers", "852": "TELUS", "6327": "Shaw",
    "3320": "Deutsche Telekom", "3209": "Vodafone Germany", "6805": "Telefónica Germany",
    "8881": "1&1 Versatel", "8447": "A1 Austria", "3303": "Swisscom", "3215": "Orange France",
    "12322": "Free", "15557": "SFR", "5410": "Bouygues Telecom", "2856": "BT",
    "5089": "Virgin Media", "5607": "Sky UK", "13285": "TalkTalk", "3352": "Telefónica Spain",
    "12479": "Orange Spain", "3269": "Telecom Italia", "30722": "Vodafone Italy", "1136": "KPN",
    "33915": "VodafoneZiggo", "5432": "Proximus", "6848": "Telenet", "6830": "Liberty Global",
    "3301": "Telia Sweden", "2119": "Telenor Norway", "3292": "TDC", "719": "Elisa",
    "5617": "Orange Poland", "12741": "Netia", "12389": "Rostelecom", "8359": "MTS",
    "9121": "Türk Telekom", "4713": "NTT OCN", "2516": "KDDI", "17676": "SoftBank",
    "4766": "Korea Telecom", "9318": "SK Broadband", "3786": "LG Uplus", "4134": "China Telecom",
    "4837": "China Unicom", "9808": "China Mobile", "55836": "Reliance Jio",
    "24560": "Bharti Airtel", "45609": "Bharti Airtel", "9829": "BSNL", "1221": "Telstra",
    "4804": "Optus", "7545": "TPG", "28573": "Claro Brazil", "27699": "Vivo Brazil",
    "8151": "Telmex", "680": "DFN", "786": "Jisc", "1103": "SURF", "2200": "RENATER",
    "559": "SWITCH", "14593": "Starlink", "16509": "Amazon", "14618": "Amazon", "15169": "Google",
    "396982": "Google", "8075": "Microsoft", "13335": "Cloudflare", "24940": "Hetzner",
    "16276": "OVHcloud", "14061": "DigitalOcean", "20940": "Akamai", "63949": "Akamai",
    "36183": "Akamai", "32934": "Meta", "714": "Apple", "31898": "Oracle", "37963": "Alibaba",
    "45102": "Alibaba",
}  # fmt: skip


def network_of(number: str) -> str:
    """By the number of an autonomous system."""
    return NETWORKS.get(number, OTHER) if number.isdigit() else UNKNOWN
