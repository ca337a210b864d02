# SPDX-License-Identifier: Apache-2.0
"""Options of the image service's client, and of what is done with images here. Credentials and
connection options of the group are keystoneauth's, registered by cinder.image.glance."""

from oslo_config import cfg

from cinder.conf.option_types import NamesOpt

GROUP = 'glance'
OPTS = [
    cfg.StrOpt('region_name', sample_default='RegionOne',
               help='Region whose image service is asked. Not set: the first in the catalog.'),
]
DEFAULTS = [
    NamesOpt('glance_api_servers', sample_default=['http://192.0.2.1:9292'],
             help='URLs of the image service; the next one is asked when one does not '
                  'answer. Not set: the catalog of the identity service that section '
                  '[glance] names is asked.'),
    cfg.StrOpt('glance_catalog_info', default='image:glance:publicURL',
               regex=r'^[^:]+:[^:]*:(public|internal|admin)(URL)?$',
               help='What to look for in that catalog: type, name and endpoint, of which the name '
                    'is not looked at.'),
    cfg.IntOpt('glance_num_retries', default=3, min=0,
               help='Number of times that a request to the image service, or the transfer of an '
                    'image, is tried again.'),
    cfg.IntOpt('glance_request_timeout', min=1, sample_default=60,
               help='Seconds without a sign of the image service until it is given up. Not set: '
                    'timeout of section [glance], else 60.'),
    cfg.BoolOpt('glance_api_insecure', default=False,
                help='Do not check the certificate of the image service.'),
    cfg.StrOpt('glance_ca_certificates_file',
               sample_default='/etc/ssl/certs/ca-certificates.crt',
               help='File with the authorities that certificates of the image service are '
                    'checked with. Not set: cafile of section [glance], else the usual ones.'),
    cfg.StrOpt('glance_certfile', sample_default='/etc/cinder/glance.crt',
               help='File with the certificate that this service shows the image service. Not '
                    'set: certfile of section [glance], else none.'),
    cfg.StrOpt('glance_keyfile', sample_default='/etc/cinder/glance.key',
               help='File with the key of glance_certfile. Not set: keyfile of section [glance].'),
    NamesOpt('glance_core_properties',
             default=['checksum', 'container_format', 'disk_format', 'image_name', 'image_id',
                      'min_disk', 'min_ram', 'name', 'size'],
             help='What of an image is kept with a volume made from it, besides its own '
                  'properties; they are not given back to an image made from that volume.'),
    NamesOpt('reserved_image_namespaces', default=[],
             help='Properties whose names begin so are not given to new images, besides '
                  'those that the image service keeps for itself.'),
    cfg.BoolOpt('enable_force_upload', default=False,
                help='Let volumes that are in use become images where a request insists.'),
    cfg.StrOpt('image_conversion_dir', default='$state_path/conversion',
               help='Folder for images while they are converted.'),
    cfg.BoolOpt('image_conversion_disable', default=False,
                help='Refuse images of another format than raw, in both directions.'),
    cfg.IntOpt('image_introspection_cpu_limit', default=60, min=1,
               deprecated_name='image_conversion_cpu_limit',
               help='Seconds of CPU that a conversion may use for each GiB of the disk.'),
    cfg.IntOpt('image_introspection_address_space_limit', default=1, min=1,
               deprecated_name='image_conversion_address_space_limit',
               help='GiB of memory that a conversion may use.'),
]
